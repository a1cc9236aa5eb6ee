//! Starting the child process.
//!
//! The child asks the kernel to be killed when its parent dies (`PR_SET_PDEATHSIG`), and the kernel takes "parent" to be
//! the thread that started it. Threads of the runtime come and go, so one thread that lives as long as the process
//! starts all children.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Children waiting to be started at a time. Starting one takes a millisecond or two.
const QUEUE_MAX: usize = 64;

struct Request {
    exe: PathBuf,
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// Starts `exe media-worker` with pipes for its standard streams and an environment of its own.
pub(super) async fn spawn(exe: &Path) -> io::Result<Child> {
    let (answer, started) = oneshot::channel();
    let request = Request { exe: exe.to_owned(), runtime: Handle::current(), answer };
    spawner()?.try_send(request).map_err(|error| match error {
        TrySendError::Full(_) => io::Error::new(io::ErrorKind::WouldBlock, "too many children are being started"),
        TrySendError::Disconnected(_) => io::Error::other("the thread that starts children is gone"),
    })?;
    started.await.map_err(|_| io::Error::other("the thread that starts children is gone"))?
}

/// The command line and environment of a child, for whoever starts one.
pub(super) fn command(exe: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(exe);
    command.arg("media-worker").current_dir("/").env_clear();
    // Nothing is scanned, cached or forked: the child loads the few plugins it needs by path.
    command
        .env("GST_REGISTRY_DISABLE", "yes")
        .env("GST_REGISTRY_FORK", "no")
        .env("GST_REGISTRY_UPDATE", "no")
        .env("GST_REGISTRY", "/dev/null")
        .env("GST_PLUGIN_SYSTEM_PATH_1_0", "")
        .env("GST_PLUGIN_PATH_1_0", "")
        // Two heaps instead of eight per core: the memory limit counts them.
        .env("MALLOC_ARENA_MAX", "2");
    // Where libraries and drivers are, and which card: the operator's words to the machine, not to us.
    for name in ["LD_LIBRARY_PATH", "LIBVA_DRIVERS_PATH", "LIBVA_DRIVER_NAME", "CUDA_VISIBLE_DEVICES"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn spawner() -> io::Result<&'static SyncSender<Request>> {
    static SPAWNER: OnceLock<Option<SyncSender<Request>>> = OnceLock::new();
    SPAWNER
        .get_or_init(|| {
            let (requests, queue) = sync_channel::<Request>(QUEUE_MAX);
            let serve = move || {
                for request in queue {
                    // Pipes and the child's exit are watched by the asker's runtime.
                    let _entered = request.runtime.enter();
                    let mut command = Command::from(command(&request.exe));
                    // An asker that is gone drops the child, which kills it.
                    let _ = request.answer.send(command.kill_on_drop(true).spawn());
                }
            };
            std::thread::Builder::new().name("worker-spawner".to_owned()).spawn(serve).ok().map(|_| requests)
        })
        .as_ref()
        .ok_or_else(|| io::Error::other("cannot start the thread that starts children"))
}
