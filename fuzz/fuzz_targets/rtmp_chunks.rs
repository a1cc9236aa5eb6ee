//! The chunk reader: total over any bytes, within its budget, and the same whatever the pieces they arrive in.
#![no_main]

use bytes::BytesMut;
use ingest::chunk::{ChunkError, Limits, Message, Reader};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { message_bytes_max: 64 * 1024, buffered_bytes_max: 256 * 1024 };

fn read(bytes: &[u8], step: usize) -> (Vec<Message>, Option<ChunkError>) {
    let (mut reader, mut input, mut messages) = (Reader::new(LIMITS), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(step.max(1)) {
        input.extend_from_slice(piece);
        loop {
            match reader.next(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
        assert!(reader.buffered() <= LIMITS.buffered_bytes_max);
    }
    (messages, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, bytes)) = data.split_first() else { return };
    let (whole, whole_error) = read(bytes, bytes.len());
    let (split, split_error) = read(bytes, usize::from(step));
    assert_eq!(whole, split);
    // How much waits unfinished may depend on the pieces; everything else may not.
    if !matches!(whole_error, Some(ChunkError::TooMuchBuffered { .. }))
        && !matches!(split_error, Some(ChunkError::TooMuchBuffered { .. }))
    {
        assert_eq!(whole_error, split_error);
    }
});
