//! The system calls a sandboxed child may make. Everything else answers "operation not permitted".
//!
//! A refusal and not a kill: libraries probe for files and features, and go on without them.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition,
    SeccompFilter, SeccompRule, TargetArch,
};

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

/// The filters, in the order they are to be installed.
pub(super) fn filters(pid: i32) -> Result<[BpfProgram; 2], String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let compile = |rules, otherwise, then| {
        SeccompFilter::new(rules, otherwise, then, arch).and_then(BpfProgram::try_from).map_err(|e| e.to_string())
    };
    let no_clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    Ok([
        compile(no_clone3, SeccompAction::Allow, missing)?,
        compile(rules(pid).map_err(|error| error.to_string())?, denied, SeccompAction::Allow)?,
    ])
}

fn rules(pid: i32) -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
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
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_opens_connects_or_starts_is_on_the_list() {
        let rules = rules(1).unwrap();
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
        let filters = filters(1).expect("a known architecture");
        assert!(filters.iter().all(|program| !program.is_empty()));
    }
}
