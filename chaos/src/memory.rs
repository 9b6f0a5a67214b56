//! Taking a process its memory away: `RLIMIT_AS`, which needs no rights.

use std::io;

/// Bytes of address space that `pid` has now.
///
/// # Errors
/// When there is no such process.
pub fn used(pid: u32) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages: u64 = text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or_default();
    Ok(pages * 4096)
}

/// From now on `pid`, and what it starts, may have no more than `bytes` of address space.
///
/// # Errors
/// When there is no such process, or it is not ours.
pub fn limit(pid: u32, bytes: u64) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // The soft limit only: the extractor's children raise theirs to what a document may take.
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    #[expect(unsafe_code, reason = "std has no prlimit")]
    // SAFETY: the new limit outlives the call, and the old one is not asked for.
    let done = unsafe { libc::prlimit(pid, libc::RLIMIT_AS, &raw const limit, std::ptr::null_mut()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_limit_is_set_on_a_running_process() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(used(child.id()).unwrap() > 0);
        let soft = || {
            let text = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
            let line = text.lines().find(|line| line.starts_with("Max address space")).unwrap().to_owned();
            line.split_whitespace().nth(3).unwrap().to_owned()
        };
        limit(child.id(), 64 << 20).unwrap();
        assert_eq!(soft(), (64 << 20).to_string());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(limit(child.id(), 1).is_err());
    }
}
