//! The GStreamer child on its own, for this crate's tests. The product runs the same code as `rillcast media-worker`.

fn main() -> std::process::ExitCode {
    transcoder::worker::child_main()
}
