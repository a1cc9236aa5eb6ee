//! The life of one RTMP connection, as a table: (state, input) -> (state, action).
//!
//! Nothing here reads a socket, a clock or a database. [`crate::driver`] does, and hands what it learns to
//! [`Session::step`]. Each step yields at most one action, so the media path allocates nothing.

use std::mem;
use std::time::Duration;

use domain::stream::{PublishEnd, PublishError};
use tokio::time::Instant;

use crate::command::{Command, Connect};

/// From `accept(2)` to the end of the handshake.
pub const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(5);
/// From `accept(2)` to a `publish` command.
pub const PUBLISH_WAIT_MAX: Duration = Duration::from_secs(10);
/// From the `publish` command to our yes or no.
pub const AUTHORIZE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Silence we accept from an accepted publisher, before its first picture too. A line that is dead without a word is to be
/// known, and written down, within ten seconds.
pub const MEDIA_GAP_MAX: Duration = Duration::from_secs(9);
/// Most commands of one connection. Encoders send about eight.
pub const COMMANDS_MAX: u32 = 128;
/// Most message streams of one connection. Encoders create one.
pub const MESSAGE_STREAMS_MAX: u32 = 8;

#[derive(Debug)]
enum State {
    Handshaking,
    Greeting { connect: Option<Box<Connect>>, streams: u32 },
    Authorizing,
    Live,
    Ended,
}

/// What the driver has learned.
#[derive(Debug)]
pub enum Input {
    Handshaken,
    Command(Command),
    /// An audio or video message.
    Media,
    /// A script data message.
    Data,
    /// The yes; the driver holds the claim.
    Granted,
    Denied(PublishError),
    /// The peer broke a rule of the protocol or a limit; the driver has said which in its log.
    Broken,
    /// The media is of a codec we do not take.
    CodecRefused,
    PeerGone,
    Deadline,
    Shutdown,
    /// The owner may no longer stream, or the stream was ended elsewhere.
    Cut,
    /// Another connection has taken the stream over.
    Superseded,
}

/// An answer to a command.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Connected {
        transaction: f64,
    },
    StreamCreated {
        transaction: f64,
        stream: u32,
    },
    /// A `_result` of null.
    Fine {
        transaction: f64,
    },
    FcPublish {
        transaction: f64,
    },
}

/// Who wants to publish where.
#[derive(Debug, PartialEq)]
pub struct Request {
    pub connect: Box<Connect>,
    pub name: String,
}

/// What the driver is to do.
#[derive(Debug)]
#[must_use = "an action nobody performs is a stream nobody ends"]
pub enum Action {
    Wait,
    Answer(Answer),
    Authorize(Request),
    Accept,
    Refuse(PublishError),
    /// Hand the message at hand to the transcoder.
    Forward,
    Finish(PublishEnd),
    /// The grant came after the peer left: give the channel its slot back.
    Release,
    Drop(&'static str),
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    state: State,
    accepted: Instant,
    deadline: Instant,
    commands: u32,
}

impl Session {
    pub fn new(now: Instant) -> Self {
        Self { state: State::Handshaking, accepted: now, deadline: now + HANDSHAKE_WAIT_MAX, commands: 0 }
    }

    /// When the driver must call back with [`Input::Deadline`], if nothing else happens.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    pub fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Handshaking)
    }

    /// While true, the peer's bytes wait: what they mean depends on the verdict.
    pub fn is_authorizing(&self) -> bool {
        matches!(self.state, State::Authorizing)
    }

    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Live)
    }

    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    pub fn step(&mut self, input: Input, now: Instant) -> Action {
        use Input as I;
        use State as S;

        if matches!(input, I::Command(_)) {
            self.commands += 1;
        }
        let input = if self.commands > COMMANDS_MAX { I::Broken } else { input };
        let (state, action) = match (mem::replace(&mut self.state, S::Ended), input) {
            (S::Handshaking, I::Handshaken) => {
                self.deadline = self.accepted + PUBLISH_WAIT_MAX;
                (S::Greeting { connect: None, streams: 0 }, Action::Wait)
            }
            (S::Handshaking, I::Deadline) => ended("the handshake was not finished in time"),

            (S::Greeting { connect, streams }, I::Command(command)) => self.greet(connect, streams, command, now),
            (S::Greeting { .. }, I::Deadline) => ended("never published"),

            (S::Authorizing, I::Granted) => {
                self.deadline = now + MEDIA_GAP_MAX;
                (S::Live, Action::Accept)
            }
            (S::Authorizing, I::Denied(why)) => (S::Ended, Action::Refuse(why)),
            (S::Authorizing, I::Deadline) => {
                (S::Ended, Action::Refuse(PublishError::Unavailable("nobody could say in time whether to".into())))
            }

            (S::Live, I::Media) => {
                self.deadline = now + MEDIA_GAP_MAX;
                (S::Live, Action::Forward)
            }
            (S::Live, I::Data) => (S::Live, Action::Forward),
            (S::Live, I::Command(command)) => while_live(command),
            (S::Live, I::PeerGone) => finish(PublishEnd::ConnectionLost),
            (S::Live, I::Deadline) => finish(PublishEnd::WentSilent),
            (S::Live, I::CodecRefused) => finish(PublishEnd::CodecRefused),
            (S::Live, I::Shutdown) => finish(PublishEnd::ServerStopping),
            (S::Live, I::Cut) => finish(PublishEnd::Cut),
            // The claim went with it: writing this end changes no stream.
            (S::Live, I::Superseded) => finish(PublishEnd::Superseded),

            (S::Ended, I::Granted) => (S::Ended, Action::Release),
            (S::Ended, _) => (S::Ended, Action::Wait),
            (_, I::PeerGone) => ended("left early"),
            (_, I::Shutdown) => ended("the server is stopping"),

            // A peer that breaks the order of the protocol still owns its slot until we say so.
            (S::Live, _) => finish(PublishEnd::ProtocolError),
            (S::Handshaking | S::Greeting { .. } | S::Authorizing, _) => ended("protocol error"),
        };
        self.state = state;
        action
    }

    fn greet(
        &mut self,
        connect: Option<Box<Connect>>,
        streams: u32,
        command: Command,
        now: Instant,
    ) -> (State, Action) {
        let state = |connect, streams| State::Greeting { connect, streams };
        match (connect, command) {
            (None, Command::Connect { transaction, connect }) => {
                (state(Some(connect), streams), Action::Answer(Answer::Connected { transaction }))
            }
            (Some(_), Command::Connect { .. }) => ended("connected twice"),
            (_, Command::Play) => ended("wanted to play"),
            (None, Command::Publish { .. } | Command::CreateStream { .. }) => ended("did not connect first"),
            (Some(_), Command::CreateStream { .. }) if streams >= MESSAGE_STREAMS_MAX => ended("too many streams"),
            (Some(connect), Command::CreateStream { transaction }) => {
                let stream = streams + 1;
                (state(Some(connect), stream), Action::Answer(Answer::StreamCreated { transaction, stream }))
            }
            (Some(connect), Command::Publish { name }) => {
                self.deadline = now + AUTHORIZE_WAIT_MAX;
                (State::Authorizing, Action::Authorize(Request { connect, name }))
            }
            (connect, Command::Courtesy { transaction, is_fc_publish }) => {
                (state(connect, streams), Action::Answer(courtesy(transaction, is_fc_publish)))
            }
            (connect, Command::Unpublish | Command::Other) => (state(connect, streams), Action::Wait),
        }
    }
}

fn while_live(command: Command) -> (State, Action) {
    match command {
        Command::Unpublish => finish(PublishEnd::Unpublished),
        Command::Courtesy { transaction, is_fc_publish } => {
            (State::Live, Action::Answer(courtesy(transaction, is_fc_publish)))
        }
        Command::Other => (State::Live, Action::Wait),
        Command::Connect { .. } | Command::CreateStream { .. } | Command::Publish { .. } | Command::Play => {
            finish(PublishEnd::ProtocolError)
        }
    }
}

fn courtesy(transaction: f64, is_fc_publish: bool) -> Answer {
    if is_fc_publish { Answer::FcPublish { transaction } } else { Answer::Fine { transaction } }
}

fn finish(end: PublishEnd) -> (State, Action) {
    (State::Ended, Action::Finish(end))
}

fn ended(why: &'static str) -> (State, Action) {
    (State::Ended, Action::Drop(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect() -> Input {
        let connect = Box::new(Connect { app: "live".to_owned(), ..Connect::default() });
        Input::Command(Command::Connect { transaction: 1.0, connect })
    }

    fn publish() -> Input {
        Input::Command(Command::Publish { name: "KEY".to_owned() })
    }

    fn live(now: Instant) -> Session {
        let mut session = Session::new(now);
        for input in [Input::Handshaken, connect()] {
            let _ = session.step(input, now);
        }
        assert!(matches!(session.step(publish(), now), Action::Authorize(Request { name, .. }) if name == "KEY"));
        assert!(matches!(session.step(Input::Granted, now), Action::Accept));
        session
    }

    #[test]
    fn a_publisher_goes_from_handshake_to_live_and_ends_at_its_word() {
        let now = Instant::now();
        let mut session = live(now);
        assert!(matches!(session.step(Input::Media, now), Action::Forward));
        let unpublish = Input::Command(Command::Unpublish);
        assert!(matches!(session.step(unpublish, now), Action::Finish(PublishEnd::Unpublished)));
        assert!(matches!(session.step(Input::PeerGone, now), Action::Wait));
    }

    #[test]
    fn each_state_has_its_own_deadline() {
        let now = Instant::now();
        let mut session = Session::new(now);
        assert_eq!(session.deadline(), now + HANDSHAKE_WAIT_MAX);
        let later = now + Duration::from_secs(3);
        let _ = session.step(Input::Handshaken, later);
        // Counted from the accept: a slow handshake buys no time.
        assert_eq!(session.deadline(), now + PUBLISH_WAIT_MAX);
        let _ = session.step(connect(), later);
        assert_eq!(session.deadline(), now + PUBLISH_WAIT_MAX);
        let _ = session.step(publish(), later);
        assert_eq!(session.deadline(), later + AUTHORIZE_WAIT_MAX);
        let _ = session.step(Input::Granted, later);
        assert_eq!(session.deadline(), later + MEDIA_GAP_MAX);
        let _ = session.step(Input::Data, later + Duration::from_secs(1));
        assert_eq!(session.deadline(), later + MEDIA_GAP_MAX, "only media counts as a sign of life");
        assert!(matches!(session.step(Input::Deadline, later), Action::Finish(PublishEnd::WentSilent)));
    }

    /// The peer hangs up while we ask; the yes arrives too late.
    #[test]
    fn a_late_grant_gives_the_slot_back() {
        let now = Instant::now();
        let mut session = Session::new(now);
        for input in [Input::Handshaken, connect(), publish()] {
            let _ = session.step(input, now);
        }
        assert!(matches!(session.step(Input::PeerGone, now), Action::Drop(_)));
        assert!(session.is_ended());
        assert!(matches!(session.step(Input::Granted, now), Action::Release));
    }

    #[test]
    fn a_verdict_that_does_not_come_is_a_no() {
        let now = Instant::now();
        let mut session = Session::new(now);
        for input in [Input::Handshaken, connect(), publish()] {
            let _ = session.step(input, now);
        }
        assert!(matches!(session.step(Input::Deadline, now), Action::Refuse(PublishError::Unavailable(_))));
    }

    /// R7.
    #[test]
    fn loops_of_commands_come_to_an_end() {
        let now = Instant::now();
        let mut session = Session::new(now);
        let _ = session.step(Input::Handshaken, now);
        let _ = session.step(connect(), now);
        let mut streams = 0;
        while !session.is_ended() {
            streams += 1;
            let _ = session.step(Input::Command(Command::CreateStream { transaction: 1.0 }), now);
        }
        assert_eq!(streams, MESSAGE_STREAMS_MAX + 1);

        let mut session = live(now);
        let mut commands = 0;
        while !session.is_ended() {
            commands += 1;
            let _ = session.step(Input::Command(Command::Courtesy { transaction: 1.0, is_fc_publish: false }), now);
        }
        assert!(commands <= COMMANDS_MAX);
    }

    #[test]
    fn whatever_comes_out_of_order_ends_a_live_session_with_its_stream_accounted_for() {
        let now = Instant::now();
        for input in [connect(), publish(), Input::Handshaken, Input::Broken, Input::Granted] {
            assert!(matches!(live(now).step(input, now), Action::Finish(PublishEnd::ProtocolError)));
        }
    }

    #[test]
    fn media_before_the_yes_is_an_error() {
        let now = Instant::now();
        let mut session = Session::new(now);
        let _ = session.step(Input::Handshaken, now);
        assert!(matches!(session.step(Input::Media, now), Action::Drop(_)));
    }
}
