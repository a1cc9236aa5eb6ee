//! ClamAV's daemon with a database that knows one file: the harmless one of EICAR, which every scanner takes for a virus.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const NEEDED: &str = "the tests of scanned files need clamd: apt-get install clamav-daemon";
const START_WAIT_MAX: Duration = Duration::from_secs(20);
/// Largest file clamd looks into when nothing is said of it.
const FILE_MIB_MAX: u32 = 100;
/// Where Debian puts it, and who is not root does not look.
const PLACES: [&str; 3] = ["/usr/sbin/clamd", "/usr/local/sbin/clamd", "clamd"];

/// The file of EICAR, in two parts so that no scanner takes this one for it.
pub fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

/// A running clamd. Stopped when dropped.
#[derive(Debug)]
pub struct Clamd {
    child: Option<Child>,
    home: tempfile::TempDir,
}

impl Clamd {
    /// Starts one.
    ///
    /// # Panics
    /// When clamd is missing: a test that needs it cannot go on.
    pub fn start() -> Self {
        Self::start_with_stream_mib(1)
    }

    /// Starts one that takes so many MiB at once.
    ///
    /// # Panics
    /// As [`Clamd::start`].
    pub fn start_with_stream_mib(mib: u32) -> Self {
        let mut clamd = Self::with_stream_mib(mib);
        clamd.start_again();
        clamd
    }

    /// One that does not run yet, with the address it will have.
    pub fn prepared() -> Self {
        Self::with_stream_mib(1)
    }

    fn with_stream_mib(mib: u32) -> Self {
        let home = tempfile::tempdir().expect("a folder for clamd");
        let signature: String = eicar().iter().map(|byte| format!("{byte:02x}")).collect();
        fs::create_dir(home.path().join("db")).expect("a folder");
        fs::write(home.path().join("db/eicar.ndb"), format!("Eicar-Test-Signature:0:0:{signature}\n"))
            .expect("a database");
        let path = home.path().display();
        let mut settings = format!(
            "Foreground yes\nLocalSocket {path}/clamd.sock\nDatabaseDirectory {path}/db\nTemporaryDirectory {path}\n\
             AlertExceedsMax yes\nStreamMaxLength {mib}M\n"
        );
        // What it looks into by itself.
        if mib > FILE_MIB_MAX {
            // A film is counted more than once: whole, and by its parts.
            settings.push_str(&format!("MaxFileSize {mib}M\nMaxScanSize {}M\n", mib.saturating_mul(3).min(4_000)));
        }
        fs::write(home.path().join("clamd.conf"), settings).expect("settings");
        Self { child: None, home }
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("clamd.sock")
    }

    /// As `scan.clamd` has it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _already_gone = child.kill();
            let _status = child.wait();
        }
    }

    /// Starts it at the same address, and waits until it listens.
    pub fn start_again(&mut self) {
        let place = PLACES.into_iter().find(|place| !place.starts_with('/') || fs::exists(place).unwrap_or(false));
        let child = Command::new(place.unwrap_or("clamd"))
            .arg("--config-file")
            .arg(self.home.path().join("clamd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect(NEEDED);
        self.child = Some(child);
        let deadline = Instant::now() + START_WAIT_MAX;
        while UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < deadline, "clamd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        self.stop();
    }
}
