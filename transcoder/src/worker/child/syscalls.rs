//! The system calls a sandboxed child may make. Everything else answers "operation not permitted".
//!
//! A refusal and not a kill: libraries probe for files and features, and go on without them.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::super::encoder::table::{Candidate, Family};

/// Memory, threads, time and files that are open already: what decoding takes, and no way to get at anything new.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_dup,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Answered by the second filter, so that the C library falls back to clone, whose flags a filter can see.
    libc::SYS_clone3,
];

/// The older names some C libraries on x86-64 still use.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[libc::c_long] =
    &[libc::SYS_poll, libc::SYS_select, libc::SYS_epoll_wait, libc::SYS_pipe, libc::SYS_time, libc::SYS_arch_prctl];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[libc::c_long] = &[];

/// What a hardware encoder's driver takes besides: talking to its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Closed,
    /// The calls of the kernel's graphics drivers, on devices that are open.
    Graphics {
        may_open: bool,
    },
    /// Any call on any open file, because this driver has no letter of its own.
    Any {
        may_open: bool,
    },
}

impl Door {
    /// `is_walled`: whether no path can be opened but the devices'.
    pub(super) fn of(hardware: Option<&Candidate>, is_walled: bool) -> Self {
        match hardware.map(|candidate| candidate.family) {
            None => Self::Closed,
            Some(Family::Nvenc) => Self::Any { may_open: is_walled },
            Some(_) => Self::Graphics { may_open: is_walled },
        }
    }

    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Closed => "only the system calls of computing",
            Self::Graphics { may_open: false } | Self::Any { may_open: false } => {
                "those of computing, and of open devices"
            }
            Self::Graphics { may_open: true } | Self::Any { may_open: true } => "those of computing, and of devices",
        }
    }
}

/// The letters of `ioctl` requests (bits 8 to 15) that VA-API drivers use: DRM, DMA-BUF, and fences.
const GRAPHICS: [u8; 3] = [b'd', b'b', b'>'];

/// The filters, in the order they are to be installed.
pub(super) fn filters(pid: i32, door: Door) -> Result<[BpfProgram; 2], String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let compile = |rules, otherwise, then| {
        SeccompFilter::new(rules, otherwise, then, arch).and_then(BpfProgram::try_from).map_err(|e| e.to_string())
    };
    let no_clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    Ok([
        compile(no_clone3, SeccompAction::Allow, missing)?,
        compile(rules(pid, door).map_err(|error| error.to_string())?, denied, SeccompAction::Allow)?,
    ])
}

fn rules(pid: i32, door: Door) -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|call| (*call, Vec::new())).collect();
    let own_pid = u64::from(pid.unsigned_abs());
    let thread = libc::CLONE_THREAD.unsigned_abs().into();
    let mut only = |call: libc::c_long, index, op, value| -> Result<(), seccompiler::BackendError> {
        let rule = SeccompRule::new(vec![Condition::new(index, Len::Dword, op, value)?])?;
        rules.entry(call).or_default().push(rule);
        Ok(())
    };
    // Threads of this process, never another process.
    only(libc::SYS_clone, 0, Op::MaskedEq(thread), thread)?;
    // A pair of sockets that are connected to each other and to nobody else: how GStreamer wakes its threads.
    only(libc::SYS_socketpair, 0, Op::Eq, u64::from(libc::AF_UNIX.unsigned_abs()))?;
    // Signals to itself: how abort works.
    only(libc::SYS_tgkill, 0, Op::Eq, own_pid)?;
    // Names of threads and of memory; duplicates and flags of open files.
    for option in [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA] {
        only(libc::SYS_prctl, 0, Op::Eq, u64::from(option.unsigned_abs()))?;
    }
    for command in [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD_CLOEXEC] {
        only(libc::SYS_fcntl, 1, Op::Eq, u64::from(command.unsigned_abs()))?;
    }
    if let Door::Graphics { .. } = door {
        for letter in GRAPHICS {
            only(libc::SYS_ioctl, 1, Op::MaskedEq(0xff00), u64::from(letter) << 8)?;
        }
    }
    if let Door::Any { .. } = door {
        rules.insert(libc::SYS_ioctl, Vec::new());
    }
    if let Door::Graphics { may_open: true } | Door::Any { may_open: true } = door {
        for call in [libc::SYS_openat, libc::SYS_newfstatat, libc::SYS_statx] {
            rules.insert(call, Vec::new());
        }
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_opens_connects_or_starts_is_on_the_list() {
        let rules = rules(1, Door::Closed).unwrap();
        let forbidden = [
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_open_by_handle_at,
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_sendmsg,
            libc::SYS_recvmsg,
            libc::SYS_bind,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_kill,
            libc::SYS_prlimit64,
            libc::SYS_unlinkat,
            libc::SYS_ioctl,
            libc::SYS_io_uring_setup,
            libc::SYS_bpf,
            libc::SYS_userfaultfd,
            libc::SYS_keyctl,
            libc::SYS_unshare,
            libc::SYS_mount,
        ];
        assert!(forbidden.iter().all(|call| !rules.contains_key(call)));
        for call in [libc::SYS_clone, libc::SYS_socketpair, libc::SYS_prctl, libc::SYS_fcntl, libc::SYS_tgkill] {
            assert!(!rules[&call].is_empty(), "{call} has a condition");
        }
    }

    #[test]
    fn the_filters_compile_for_this_machine() {
        for door in [Door::Closed, Door::Graphics { may_open: true }, Door::Any { may_open: false }] {
            let filters = filters(1, door).expect("a known architecture");
            assert!(filters.iter().all(|program| !program.is_empty()));
        }
    }

    #[test]
    fn a_hardware_encoder_gets_its_devices_and_nothing_else() {
        let closed = rules(1, Door::Closed).unwrap();
        let more = |door| -> Vec<i64> {
            let mut more: Vec<_> = rules(1, door).unwrap().into_keys().collect();
            more.retain(|call| !closed.contains_key(call));
            more
        };
        assert_eq!(more(Door::of(None, true)), [] as [i64; 0]);
        assert_eq!(more(Door::Graphics { may_open: false }), [libc::SYS_ioctl]);
        assert_eq!(more(Door::Any { may_open: false }), [libc::SYS_ioctl]);
        let mut open = [libc::SYS_ioctl, libc::SYS_openat, libc::SYS_newfstatat, libc::SYS_statx];
        open.sort_unstable();
        assert_eq!(more(Door::Graphics { may_open: true }), open);
        let graphics = rules(1, Door::Graphics { may_open: false }).unwrap();
        assert_eq!(graphics[&libc::SYS_ioctl].len(), GRAPHICS.len(), "not any request");
    }
}
