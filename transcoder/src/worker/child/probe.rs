//! Forbidden things, tried from inside the sandbox so that `doctor` and the tests can say what was proven.

use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::process::Command;

use nix::sys::ptrace;
use nix::unistd::Pid;

use super::super::wire::Probe;

pub(super) fn all(parent_pid: i32) -> Vec<Probe> {
    let parent = Pid::from_raw(parent_pid);
    vec![
        probe("read a file", File::open("/etc/passwd")),
        probe("list a folder", fs::read_dir("/")),
        probe("look at another process", File::open(format!("/proc/{parent_pid}/environ"))),
        probe("write a file", write_file()),
        probe("delete a file", fs::remove_file("/tmp/rillcast-media-worker-probe")),
        probe("listen on TCP", TcpListener::bind("127.0.0.1:0")),
        probe("connect over TCP", TcpStream::connect("127.0.0.1:1")),
        probe("open a UDP socket", UdpSocket::bind("127.0.0.1:0")),
        probe("open a Unix socket", UnixListener::bind("/tmp/rillcast-media-worker-probe")),
        probe("start a program", Command::new("/bin/true").spawn()),
        probe("signal the parent", nix::sys::signal::kill(parent, None).map_err(io::Error::from)),
        probe("trace the parent", ptrace::seize(parent, ptrace::Options::empty()).map_err(io::Error::from)),
        probe("become root", nix::unistd::setuid(nix::unistd::Uid::from_raw(0)).map_err(io::Error::from)),
        probe("raise its memory limit", raise_memory_limit()),
    ]
}

fn write_file() -> io::Result<File> {
    let path = "/tmp/rillcast-media-worker-probe";
    let file = File::create(path)?;
    let _ = fs::remove_file(path);
    Ok(file)
}

fn raise_memory_limit() -> io::Result<()> {
    use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
    setrlimit(Resource::RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY).map_err(io::Error::from)
}

/// Only a refusal counts as denied: "nobody listens there" means that the attempt itself was allowed.
fn probe<T, E: IsRefusal + Display>(name: &str, tried: Result<T, E>) -> Probe {
    let (is_denied, detail) = match tried {
        Ok(_) => (false, "it worked".to_owned()),
        Err(error) => (error.is_refusal(), error.to_string()),
    };
    Probe { name: name.to_owned(), is_denied, detail }
}

trait IsRefusal {
    fn is_refusal(&self) -> bool;
}

impl IsRefusal for io::Error {
    fn is_refusal(&self) -> bool {
        self.kind() == io::ErrorKind::PermissionDenied
    }
}
