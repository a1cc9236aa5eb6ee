-- One folder by name is a range of an index too: the unique one lacks the id a page ends with.
CREATE INDEX files_named_here ON files (owner_id, folder, lower(name), file_id) WHERE trashed_at IS NULL;
