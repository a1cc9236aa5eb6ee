//! Any bytes from the other end of the link: the same frames come out however the bytes are split.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use media::link::{Decoder, Frame, Hello, HelloReply, decode_json};

fn frames(data: &[u8], step: usize) -> (Vec<Frame>, bool) {
    let (mut decoder, mut buffer, mut frames) = (Decoder::new(), BytesMut::new(), Vec::new());
    for chunk in data.chunks(step) {
        buffer.extend_from_slice(chunk);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

fuzz_target!(|data: &[u8]| {
    let _ = decode_json::<Hello>(&mut BytesMut::from(data));
    let _ = decode_json::<HelloReply>(&mut BytesMut::from(data));
    assert_eq!(frames(data, 1), frames(data, data.len().max(1)));
});
