//! What the modules promise together: rules of HLS over synthetic streams, and bytes that real decoders accept.

mod decode;
mod enhanced;
mod hostile;
mod rig;
mod rules;
mod segmenter;
mod timeline;
