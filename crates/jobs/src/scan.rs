//! The virus scanner: clamd, asked over its own protocol (INSTREAM). Anything but a plain word from it is no answer.

use std::time::Duration;

use clamav_client::tokio::{Socket, Tcp, ping, scan_stream};
use kit::config::{Clamd, ScanConfig};
use objects::ObjectBody;
use tokio::time::timeout;

/// For a whole file, the way to the scanner included; of a large one more.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(120);
const BYTES_PER_S_MIN: u64 = 4 << 20;
const PING_WAIT_MAX: Duration = Duration::from_secs(5);
/// What a frame of the protocol carries.
const FRAME_BYTES: usize = 64 * 1024;
/// What clamd calls what it did not look into, with `AlertExceedsMax`.
const NOT_LOOKED_INTO: &str = "Heuristics.Limits.Exceeded";

/// What the scanner says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Clean,
    /// The name of what it found.
    Infected(String),
}

/// The scanner said nothing that can be relied on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("the scanner cannot be reached, or broke off")]
    Away(#[source] std::io::Error),
    #[error("the scanner did not answer in time")]
    Slow,
    #[error("the scanner did not look into it: {0}")]
    Refused(String),
    /// Asked again it would say the same.
    #[error("it is more than the scanner looks into: {0}")]
    Beyond(String),
}

/// A way to clamd.
#[derive(Debug, Clone)]
pub(crate) struct Scanner(Clamd);

impl Scanner {
    /// `None`: the site has none.
    pub(crate) fn of(config: &ScanConfig) -> Option<Self> {
        config.address().map(Self)
    }

    /// Has it look at a file of about so many bytes, which goes through piece by piece.
    pub(crate) async fn scan(&self, body: ObjectBody, bytes: u64) -> Result<Verdict, ScanError> {
        let asked = async {
            match &self.0 {
                Clamd::Tcp(place) => scan_stream(body, Tcp { host_address: place.as_str() }, Some(FRAME_BYTES)).await,
                Clamd::Unix(path) => scan_stream(body, Socket { socket_path: path }, Some(FRAME_BYTES)).await,
            }
        };
        let wait = ANSWER_WAIT_MAX + Duration::from_secs(bytes / BYTES_PER_S_MIN);
        let answer = timeout(wait, asked).await.map_err(|_| ScanError::Slow)?.map_err(ScanError::Away)?;
        read(&String::from_utf8_lossy(&answer))
    }

    async fn ping(&self) -> Result<(), ScanError> {
        let asked = async {
            match &self.0 {
                Clamd::Tcp(place) => ping(Tcp { host_address: place.as_str() }).await,
                Clamd::Unix(path) => ping(Socket { socket_path: path }).await,
            }
        };
        let answer = timeout(PING_WAIT_MAX, asked).await.map_err(|_| ScanError::Slow)?.map_err(ScanError::Away)?;
        let is_it = answer == clamav_client::PONG;
        if is_it { Ok(()) } else { Err(ScanError::Refused(plain(&String::from_utf8_lossy(&answer)))) }
    }
}

/// Whether the scanner answers, in words for the operator.
pub async fn check(config: &ScanConfig) -> anyhow::Result<String> {
    let Some(scanner) = Scanner::of(config) else {
        return Ok("none: members send pictures only".to_owned());
    };
    scanner.ping().await?;
    Ok(format!("{} answers", config.clamd))
}

/// `stream: OK` or `stream: NAME FOUND` (clamd(8)); everything else is no answer, also that a limit was exceeded.
fn read(answer: &str) -> Result<Verdict, ScanError> {
    let line = answer.trim_end_matches(['\0', '\n']);
    let said = line.strip_prefix("stream: ").unwrap_or_default();
    match said.strip_suffix(" FOUND") {
        _ if said == "OK" => Ok(Verdict::Clean),
        Some(name) if !name.is_empty() && !name.starts_with(NOT_LOOKED_INTO) => Ok(Verdict::Infected(plain(name))),
        Some(name) if name.starts_with(NOT_LOOKED_INTO) => Err(ScanError::Beyond(plain(name))),
        _ => Err(ScanError::Refused(plain(line))),
    }
}

/// Short enough for a log line, and one line.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_word_is_an_answer() {
        assert_eq!(read("stream: OK\0").unwrap(), Verdict::Clean);
        assert_eq!(
            read("stream: Eicar-Test-Signature FOUND\0").unwrap(),
            Verdict::Infected("Eicar-Test-Signature".into())
        );
        for odd in [
            "",
            "OK",
            "stream: OK, mostly",
            "stream: ",
            "stream:  FOUND",
            "INSTREAM size limit exceeded. ERROR\0",
            "stream: Can't allocate memory ERROR\0",
            "UNKNOWN COMMAND\0",
        ] {
            assert!(matches!(read(odd), Err(ScanError::Refused(_))), "{odd:?}");
        }
        let beyond = read("stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0");
        assert!(matches!(beyond, Err(ScanError::Beyond(_))));
    }
}
