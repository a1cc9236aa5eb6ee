-- Each order a list of files has is an index, for one folder and for all of them: a page costs the same wherever it stands.
DROP INDEX files_recent;
DROP INDEX files_named;
DROP INDEX files_large;
CREATE INDEX files_recent ON files (owner_id, changed_at DESC, file_id DESC) WHERE trashed_at IS NULL;
CREATE INDEX files_named ON files (owner_id, lower(name), file_id) WHERE trashed_at IS NULL;
CREATE INDEX files_large ON files (owner_id, bytes DESC, file_id DESC) WHERE trashed_at IS NULL;
CREATE INDEX files_recent_here ON files (owner_id, folder, changed_at DESC, file_id DESC) WHERE trashed_at IS NULL;
CREATE INDEX files_large_here ON files (owner_id, folder, bytes DESC, file_id DESC) WHERE trashed_at IS NULL;
-- What lies in a folder is summed up from the index alone.
CREATE INDEX files_in_folders ON files (owner_id, folder) INCLUDE (bytes) WHERE trashed_at IS NULL;
CREATE INDEX files_trashed_recent ON files (owner_id, changed_at DESC, file_id DESC) WHERE trashed_at IS NOT NULL;
CREATE INDEX files_trashed_named ON files (owner_id, lower(name), file_id) WHERE trashed_at IS NOT NULL;
CREATE INDEX files_trashed_large ON files (owner_id, bytes DESC, file_id DESC) WHERE trashed_at IS NOT NULL;
