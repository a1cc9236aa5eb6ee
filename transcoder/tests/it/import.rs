//! Files that become recordings, on a real node with a real bucket and children: what comes out is decoded.

mod bad;
mod coded;
mod ends;
mod passed;
mod rig;
