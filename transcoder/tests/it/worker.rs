//! The GStreamer child, real and as a process: what comes back is judged by decoding it.

mod alone;
mod clip;
mod codecs;
mod faults;
mod hardware;
mod load;
mod media;
mod rig;
mod sandbox;
