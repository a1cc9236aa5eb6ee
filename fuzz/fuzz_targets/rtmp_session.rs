//! A whole connection without its socket: handshake, chunks, commands, session and answers, driven by any bytes.
#![no_main]

use std::time::Duration;

use bytes::BytesMut;
use ingest::chunk::{Limits, Reader, kind};
use ingest::session::{Action, COMMANDS_MAX, Input, Session};
use ingest::wire::{Output, UNREAD_BYTES_MAX};
use ingest::{amf, command};
use libfuzzer_sys::fuzz_target;
use tokio::time::Instant;

fuzz_target!(|data: &[u8]| {
    let Some((&mood, bytes)) = data.split_first() else { return };
    let mut now = Instant::now();
    let (mut session, mut output) = (Session::new(now), Output::default());
    let (mut reader, mut input) = (Reader::new(Limits::STRANGER), BytesMut::from(bytes));
    let mut answers = 0;
    let mut learned = Some(Input::Handshaken);
    while !session.is_ended() {
        now += Duration::from_millis(u64::from(mood));
        let next = match learned.take() {
            Some(next) => next,
            None => match reader.next(&mut input) {
                Err(_) => Input::Broken,
                Ok(None) => Input::PeerGone,
                Ok(Some(message)) => match message.kind {
                    kind::AUDIO | kind::VIDEO => Input::Media,
                    kind::DATA_AMF0 => match amf::script_data(&message.payload) {
                        Ok(Some(_)) => Input::Data,
                        _ => Input::Broken,
                    },
                    kind::COMMAND_AMF0 => match command::parse(&message.payload) {
                        Ok(command) => Input::Command(command),
                        Err(_) => Input::Broken,
                    },
                    kind::WINDOW_ACK_SIZE => {
                        output.set_ack_window(&message.payload);
                        continue;
                    }
                    kind::USER_CONTROL => match output.user_control(&message.payload, now) {
                        Ok(()) => continue,
                        Err(_) => Input::Broken,
                    },
                    _ => continue,
                },
            },
        };
        match session.step(next, now) {
            Action::Answer(answer) => {
                answers += 1;
                if output.answer(&answer, now).is_err() {
                    learned = Some(Input::Broken);
                }
            }
            Action::Authorize(_) => learned = Some(if mood % 3 == 0 { Input::Deadline } else { Input::Granted }),
            Action::Accept => reader.set_limits(Limits::PUBLISHER),
            Action::Release => panic!("nothing was granted late"),
            _ => {}
        }
        assert!(output.pending().len() <= UNREAD_BYTES_MAX);
    }
    assert!(answers <= COMMANDS_MAX);
});
