//! What a child may do: compute, and answer on the pipes it was given. Nothing else.
//!
//! Three independent walls against files and network: no further file descriptor can be opened at all
//! (`RLIMIT_NOFILE`), Landlock shows it an empty file system and no port, and a seccomp filter refuses every system call
//! that a parser does not need. Where the kernel refuses one of them, the refusal is reported and the others still hold.
//!
//! A foreign program that reads pictures ([`enter_for_program`]) needs its libraries and data: it may read those, and
//! write nothing.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal};
use rustix::time::ClockId;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::Limits;
use crate::frame::Fatal;

/// Standard input, output and error, and the pipe of answers: the highest descriptor plus one.
pub(crate) const DESCRIPTORS: u64 = 4;

/// System calls of an allocator, of reading and writing open pipes, of clocks, and of dying. None of them can name a
/// file, a socket or another process.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Ends this process when its parent ends, now or later.
///
/// # Errors
/// The parent is not `parent` any more, or the kernel's refusal.
pub(crate) fn die_with(parent: u32) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())?;
    let now = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    if now == parent { Ok(()) } else { Err(format!("the parent {parent} is gone")) }
}

/// Locks this process in for good. Returns what the kernel refused.
pub(crate) fn enter(limits: &Limits) -> Vec<String> {
    let memory = address_space().saturating_add(limits.memory_bytes);
    let steps = [
        ("RLIMIT_CORE", limit(Resource::Core, 0)),
        ("RLIMIT_FSIZE", limit(Resource::Fsize, 0)),
        ("RLIMIT_AS", limit(Resource::As, memory)),
        ("no_new_privs", no_new_privs()),
        // Before the descriptors run out: a ruleset is one.
        ("landlock", view(&[])),
        ("RLIMIT_NOFILE", limit(Resource::Nofile, DESCRIPTORS)),
        ("seccomp", filter()),
    ];
    refused(steps)
}

/// Descriptors that the loader, the data files and the pipes of a foreign program take.
const PROGRAM_DESCRIPTORS: u64 = 64;

/// Locks this process in for good, so far that a program can still be started and can read what lies below `readable`.
/// Returns what the kernel refused.
pub(crate) fn enter_for_program(memory_bytes: u64, cpu_seconds: u64, readable: &[PathBuf]) -> Vec<String> {
    let steps = [
        ("RLIMIT_CORE", limit(Resource::Core, 0)),
        ("RLIMIT_FSIZE", limit(Resource::Fsize, 0)),
        ("RLIMIT_AS", limit(Resource::As, memory_bytes)),
        ("RLIMIT_CPU", limit(Resource::Cpu, cpu_seconds)),
        ("RLIMIT_NOFILE", limit(Resource::Nofile, PROGRAM_DESCRIPTORS)),
        ("no_new_privs", no_new_privs()),
        ("landlock", view(readable)),
        ("seccomp", program_filter()),
    ];
    refused(steps)
}

fn refused<const N: usize>(steps: [(&str, io::Result<()>); N]) -> Vec<String> {
    let refused = steps.into_iter().filter_map(|(step, result)| result.err().map(|error| format!("{step}: {error}")));
    refused.collect()
}

fn no_new_privs() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true).map_err(io::Error::from)
}

/// The newest interface of which everything below is asked: Linux 6.12. An older kernel enforces what it knows, and that
/// counts as refused.
const LANDLOCK: ABI = ABI::V6;

/// Leaves of the file system only reading, and running programs, below `readable`; no port; no signal to others.
fn view(readable: &[PathBuf]) -> io::Result<()> {
    match restrict(readable).map_err(io::Error::other)? {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced => Err(io::Error::other("this kernel knows only a part of it")),
        RulesetStatus::NotEnforced => Err(io::Error::other("this kernel does not have it")),
    }
}

fn restrict(readable: &[PathBuf]) -> Result<RulesetStatus, RulesetError> {
    let handled = Ruleset::default().handle_access(AccessFs::from_all(LANDLOCK))?;
    let handled = handled.handle_access(AccessNet::from_all(LANDLOCK))?.scope(Scope::from_all(LANDLOCK))?;
    let rules = path_beneath_rules(readable, AccessFs::from_read(LANDLOCK));
    Ok(handled.create()?.add_rules(rules)?.restrict_self()?.ruleset)
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

/// Gives this process `seconds` of CPU time from now on; then the kernel ends it with `SIGXCPU`.
pub(crate) fn grant_cpu(seconds: u64) -> io::Result<()> {
    let used = rustix::time::clock_gettime(ClockId::ProcessCPUTime).tv_sec.unsigned_abs();
    // The kernel counts whole seconds: the one that has begun is not this document's.
    let current = Some(used.saturating_add(seconds).saturating_add(1));
    let maximum = rustix::process::getrlimit(Resource::Cpu).maximum;
    Ok(rustix::process::setrlimit(Resource::Cpu, Rlimit { current, maximum })?)
}

/// Bytes of address space in use; the program and its libraries count, whatever their size.
fn address_space() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages.saturating_mul(rustix::param::page_size() as u64)
}

fn filter() -> io::Result<()> {
    let program = program().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let own = u64::from(std::process::id());
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_tgkill, first_argument(own)?);
    rules.insert(libc::SYS_prlimit64, first_argument(0)?);
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules, denied, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// What a program that reads pictures has no business with: the network, other processes, the system's set-up.
const DENIED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_memfd_create,
];

/// A foreign program's calls are not known one by one, and differ from version to version: here the list says what is
/// denied. It stays over `execve`.
fn program_filter() -> io::Result<()> {
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let rules = DENIED.iter().map(|call| (*call, Vec::new())).collect();
    let arch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, arch).map_err(io::Error::other)?;
    let program: BpfProgram = filter.try_into().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

/// Allows a call only on this process itself.
fn first_argument(value: u64) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}

/// The signals that a parser can bring upon itself.
const DEADLY: [libc::c_int; 7] =
    [libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGTRAP, libc::SIGFPE, libc::SIGSYS];

/// Makes a death by signal say on descriptor [`ANSWERS`] whether memory was short.
pub(crate) fn report_deaths() -> io::Result<()> {
    DEADLY.into_iter().try_for_each(install)
}

/// The descriptor of answers; a signal handler has no way to be told.
pub(crate) const ANSWERS: i32 = 3;

#[expect(unsafe_code, reason = "sigaction has no safe form: a handler may only do what is async-signal-safe")]
fn install(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: `sigaction` is plain data, valid when zeroed. `last_words` only calls async-signal-safe functions. The
    // alternate stack that SA_ONSTACK asks for is the one std sets up for the main thread.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = last_words as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "errno and write in a signal handler have no safe form")]
extern "C" fn last_words(signal: libc::c_int) {
    // SAFETY: reading errno, write(2) and raise(3) are async-signal-safe (POSIX.1-2017, section 2.4.3); the frame lives
    // on this stack. The action was reset on entry, so the signal raised again ends the process.
    unsafe {
        let out_of_memory = *libc::__errno_location() == libc::ENOMEM;
        let frame = Fatal { signal: u8::try_from(signal).unwrap_or(u8::MAX), out_of_memory }.frame();
        libc::write(ANSWERS, frame.as_ptr().cast(), frame.len());
        libc::raise(signal);
    }
}

/// Moves standard output's pipe to [`ANSWERS`] and closes every other descriptor that was inherited.
#[expect(unsafe_code, reason = "dup3 onto a number and close_range have no safe form")]
pub(crate) fn keep_only_standard_descriptors() -> io::Result<OwnedFd> {
    // SAFETY: this runs first in a fresh process: no value owns a descriptor above standard error yet, so none can be
    // closed or replaced under its owner; descriptor 3 is owned by the returned value alone.
    unsafe {
        if libc::dup3(libc::STDOUT_FILENO, ANSWERS, libc::O_CLOEXEC) != ANSWERS {
            return Err(io::Error::last_os_error());
        }
        libc::syscall(libc::SYS_close_range, ANSWERS + 1, libc::c_uint::MAX, 0);
        Ok(OwnedFd::from_raw_fd(ANSWERS))
    }
}

/// Forgets failed calls of earlier documents, so that [`Fatal::out_of_memory`] speaks of this one.
#[expect(unsafe_code, reason = "errno has no safe setter")]
pub(crate) fn clear_errno() {
    // SAFETY: the location of errno is valid for this thread as long as it lives.
    unsafe { *libc::__errno_location() = 0 }
}
