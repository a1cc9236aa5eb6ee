//! Every way a chunk can be cut, interleaved, aborted or lied about.

use super::*;

fn read(wire: &[u8], step: usize) -> Result<Vec<Message>, ChunkError> {
    let (mut reader, mut input, mut messages) = (Reader::new(Limits::PUBLISHER), BytesMut::new(), Vec::new());
    for slice in wire.chunks(step) {
        input.extend_from_slice(slice);
        while let Some(message) = reader.next(&mut input)? {
            messages.push(message);
        }
    }
    assert_eq!(reader.buffered(), 0, "nothing is left over");
    Ok(messages)
}

/// A type 0 header with a one-byte basic header.
fn full(id: u8, timestamp: u32, length: u32, kind: u8) -> Vec<u8> {
    let mut header = vec![id];
    header.extend_from_slice(&timestamp.min(EXTENDED).to_be_bytes()[1..]);
    header.extend_from_slice(&length.to_be_bytes()[1..]);
    header.push(kind);
    header.extend_from_slice(&1_u32.to_le_bytes());
    if timestamp >= EXTENDED {
        header.extend_from_slice(&timestamp.to_be_bytes());
    }
    header
}

fn set_chunk_size(size: u32) -> Vec<u8> {
    [full(2, 0, 4, kind::SET_CHUNK_SIZE), size.to_be_bytes().to_vec()].concat()
}

fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

/// Cuts `payload` into chunks of 128: the first behind `header`, the rest behind `next`.
fn chunked(header: &[u8], next: &[u8], payload: &[u8]) -> Vec<Vec<u8>> {
    payload
        .chunks(CHUNK_BYTES_DEFAULT)
        .enumerate()
        .map(|(at, part)| [if at == 0 { header } else { next }, part].concat())
        .collect()
}

#[test]
fn interleaved_messages_on_two_chunk_streams_come_out_whole() {
    let (audio, video) = (pattern(300, 1), pattern(500, 2));
    let a = chunked(&full(4, 10, 300, kind::AUDIO), &[0xc4], &audio);
    let v = chunked(&full(6, 20, 500, kind::VIDEO), &[0xc6], &video);
    let wire = [&v[0], &a[0], &v[1], &a[1], &v[2], &a[2], &v[3]].map(|part| &part[..]).concat();
    for step in [1, 2, 3, 7, 127, wire.len()] {
        let messages = read(&wire, step).expect("legal");
        assert_eq!(messages.len(), 2, "step {step}");
        assert_eq!((messages[0].kind, &messages[0].payload[..]), (kind::AUDIO, &audio[..]));
        assert_eq!((messages[1].kind, &messages[1].payload[..]), (kind::VIDEO, &video[..]));
    }
}

#[test]
fn two_and_three_byte_chunk_stream_ids_are_told_apart() {
    let mut wire = Vec::new();
    // 64 + 10, and 64 + 10 + 256 * 3.
    for basic in [&[0_u8, 10][..], &[1, 10, 3]] {
        wire.extend_from_slice(basic);
        wire.extend_from_slice(&full(9, 5, 1, kind::AUDIO)[1..]);
        wire.push(0xaa);
    }
    for step in [1, wire.len()] {
        let ids: Vec<_> = read(&wire, step).expect("legal").iter().map(|m| m.chunk_stream).collect();
        assert_eq!(ids, [74, 842]);
    }
}

#[test]
fn an_extended_timestamp_may_or_may_not_be_repeated_by_continuations() {
    let payload = pattern(300, 3);
    let timestamp = 0x0123_4567_u32;
    let header = full(4, timestamp, 300, kind::VIDEO);
    let repeated = [&[0xc4][..], &timestamp.to_be_bytes()].concat();
    for next in [&repeated[..], &[0xc4]] {
        let wire = chunked(&header, next, &payload).concat();
        for step in [1, 5, wire.len()] {
            let messages = read(&wire, step).expect("legal");
            assert_eq!(messages.len(), 1);
            assert_eq!(messages[0].timestamp_ms, timestamp);
            assert_eq!(&messages[0].payload[..], &payload[..]);
        }
    }
}

#[test]
fn a_type_3_header_begins_a_message_with_the_same_delta() {
    let mut wire = full(4, 1_000, 1, kind::AUDIO);
    wire.push(1);
    // Type 2: only a delta of 23; then twice type 3.
    wire.extend_from_slice(&[0x84, 0, 0, 23, 2, 0xc4, 3, 0xc4, 4]);
    let times: Vec<_> = read(&wire, 1).expect("legal").iter().map(|m| m.timestamp_ms).collect();
    assert_eq!(times, [1_000, 1_023, 1_046, 1_069]);
}

#[test]
fn timestamps_wrap_and_a_huge_delta_goes_backwards_without_a_panic() {
    // R8: type 1 with an extended delta, of zero and of almost the whole range.
    let mut wire = full(4, u32::MAX, 1, kind::AUDIO);
    wire.push(1);
    wire.extend_from_slice(&[0x44, 0xff, 0xff, 0xff, 0, 0, 1, kind::AUDIO, 0, 0, 0, 0, 2]);
    wire.extend_from_slice(&[0x44, 0xff, 0xff, 0xff, 0, 0, 1, kind::AUDIO, 0xff, 0xff, 0xff, 0xff, 3]);
    wire.extend_from_slice(&[0x84, 0, 0, 5, 4]);
    let times: Vec<_> = read(&wire, 1).expect("legal").iter().map(|m| m.timestamp_ms).collect();
    assert_eq!(times, [u32::MAX, u32::MAX, u32::MAX - 1, 3]);
}

#[test]
fn abort_drops_the_unfinished_message_and_the_stream_stays_in_step() {
    let half = chunked(&full(4, 0, 200, kind::VIDEO), &[0xc4], &pattern(200, 5));
    let abort = [full(2, 0, 4, kind::ABORT), 4_u32.to_be_bytes().to_vec()].concat();
    let whole = [full(4, 7, 3, kind::VIDEO), b"new".to_vec()].concat();
    let wire = [&half[0], &abort, &whole].map(|part| &part[..]).concat();
    for step in [1, wire.len()] {
        let messages = read(&wire, step).expect("legal");
        assert_eq!(messages.len(), 1);
        assert_eq!(&messages[0].payload[..], b"new");
    }
}

#[test]
fn a_chunk_size_takes_effect_with_the_next_chunk() {
    let payload = pattern(1_000, 6);
    let wire = [set_chunk_size(1_000), full(4, 0, 1_000, kind::VIDEO), payload.clone()].concat();
    for step in [1, 999, wire.len()] {
        assert_eq!(&read(&wire, step).expect("legal")[0].payload[..], &payload[..]);
    }
}

#[test]
fn chunk_sizes_out_of_range_are_refused() {
    for size in [0, CHUNK_BYTES_MAX as u32 + 1, 1 << 31, u32::MAX] {
        assert_eq!(read(&set_chunk_size(size), 1), Err(ChunkError::ChunkSize(size)));
    }
    assert_eq!(read(&set_chunk_size(CHUNK_BYTES_MAX as u32), 1), Ok(Vec::new()));
}

#[test]
fn a_message_longer_than_the_limit_is_refused_by_its_header() {
    let mut reader = Reader::new(Limits::STRANGER);
    let mut input = BytesMut::from(&full(4, 0, 256 * 1024 + 1, kind::VIDEO)[..]);
    assert!(matches!(reader.next(&mut input), Err(ChunkError::MessageTooLong { .. })));
}

#[test]
fn unfinished_messages_share_one_budget() {
    let limits = Limits { message_bytes_max: 1_000, buffered_bytes_max: 1_000 };
    let mut reader = Reader::new(limits);
    let mut input = BytesMut::new();
    for id in 4..20 {
        input.extend_from_slice(&chunked(&full(id, 0, 1_000, kind::VIDEO), &[], &pattern(128, id))[0]);
    }
    let error = reader.next(&mut input).expect_err("no message is whole, and not all of it is taken");
    assert_eq!(error, ChunkError::TooMuchBuffered { max: 1_000 });
    assert!(reader.buffered() <= 1_000);
}

#[test]
fn more_chunk_streams_than_allowed_are_refused() {
    let mut wire = Vec::new();
    for id in 0..=CHUNK_STREAMS_MAX as u8 {
        wire.extend_from_slice(&[0, id]);
        wire.extend_from_slice(&full(9, 0, 0, kind::AUDIO)[1..]);
    }
    assert_eq!(read(&wire, wire.len()), Err(ChunkError::TooManyStreams));
}

#[test]
fn chunks_that_continue_nothing_or_cut_in_are_refused() {
    assert_eq!(read(&[0xc4], 1), Err(ChunkError::NothingToContinue(4)));
    let half = &chunked(&full(4, 0, 200, kind::VIDEO), &[], &pattern(128, 0))[0];
    let wire = [&half[..], &full(4, 0, 3, kind::VIDEO)].concat();
    assert_eq!(read(&wire, 1), Err(ChunkError::MessageInsideMessage(4)));
}

#[test]
fn a_message_in_one_chunk_is_sliced_not_copied() {
    let mut input = BytesMut::from(&[full(4, 0, 5, kind::VIDEO), b"media".to_vec()].concat()[..]);
    let at = input[12..].as_ptr();
    let message = Reader::new(Limits::PUBLISHER).next(&mut input).expect("legal").expect("whole");
    assert_eq!(message.payload.as_ptr(), at);
}

#[test]
fn control_messages_of_another_length_are_refused() {
    let wire = [full(2, 0, 3, kind::SET_CHUNK_SIZE), vec![0, 1, 0]].concat();
    assert_eq!(read(&wire, 1), Err(ChunkError::ControlLength(3)));
}
