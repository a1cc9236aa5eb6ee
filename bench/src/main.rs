//! Measurements beside nginx-rtmp and ffmpeg, as ratios of one run.

fn main() {}
