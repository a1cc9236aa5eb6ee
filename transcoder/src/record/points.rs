//! The boundaries of a recording's way, in the order a segment meets them. A crash at any of them must cost nothing but the
//! part on its way (reliability A15); `tests/it/record/sweep.rs` tries each.

kit::failpoints! {
    /// A journal lies beside the one it is to replace.
    JOURNAL_DRAFTED = "record.journal-drafted";
    JOURNAL_REPLACED = "record.journal-replaced";
    RENDITION_LOGGED = "record.rendition-logged";
    INIT_WRITTEN = "record.init-written";
    INIT_LOGGED = "record.init-logged";
    ROLL_CREATED = "record.roll-created";
    /// A part's bytes are in the file; its line is not.
    PART_APPENDED = "record.part-appended";
    PART_LOGGED = "record.part-logged";
    SEGMENT_CLOSED = "record.segment-closed";
    PUT_BEFORE = "record.put-before";
    /// The bucket has the object; nobody knows yet.
    PUT_AFTER = "record.put-after";
    ROWS_BEFORE = "record.rows-before";
    /// The rows are written in a transaction that is not committed.
    ROWS_OPEN = "record.rows-open";
    ROWS_AFTER = "record.rows-after";
    INIT_REMOVED = "record.init-removed";
    STORED_LOGGED = "record.stored-logged";
    ROLL_REMOVED = "record.roll-removed";
    ENDED_LOGGED = "record.ended-logged";
    FINALISE_BEFORE = "record.finalise-before";
    FINALISE_OPEN = "record.finalise-open";
    FINALISE_AFTER = "record.finalise-after";
    /// The recording is ready; its folder is still there.
    FORGET_BEFORE = "record.forget-before";
    FORGET_AFTER = "record.forget-after";
    /// A restart has read a journal and changed nothing yet.
    RECOVERY_READ = "record.recovery-read";
    RECOVERY_SETTLED = "record.recovery-settled";
    RECOVERY_QUEUED = "record.recovery-queued";
}
