//! Boundaries of a file's way at which tests end the process.

kit::failpoints! {
    /// It is in hand, and nothing of it was read.
    TAKEN = "files.taken";
    /// Its digest and the scanner's word are known, and not written down.
    READ = "files.read";
    /// Our own picture is made, and not in the bucket.
    DEVELOPED = "files.developed";
    /// All objects are in the bucket, and no row says so.
    STORED = "files.stored";
    /// It is served, and the job is not done.
    FINISHED = "files.finished";
}
