//! Any bytes as a picture the child sent; what is taken apart must stack into a strip no longer than its pictures are.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::strip::{Strip, Tile};

fuzz_target!(|data: &[u8]| {
    let Ok(tile) = Tile::parse(&Bytes::copy_from_slice(data)) else { return };
    assert!(tile.width > 0 && tile.height > 0 && tile.step >= tile.height);
    let mut strip = Strip::new(tile.clone());
    while strip.len() < 3 && strip.push(tile.clone()).is_none() {}
    assert!(strip.jpeg().len() <= strip.len() * (data.len() + 2) + 6);
});
