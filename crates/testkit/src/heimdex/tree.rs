//! Processes and their children, as `/proc` shows them.

use std::fs;

/// The direct children of `pid`.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("/proc can be read").flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|child| status(*child).is_some_and(|status| status.parent == pid)).collect()
}

/// Children, their children, and so on.
#[must_use]
pub fn descendants(pid: u32) -> Vec<u32> {
    children(pid).into_iter().flat_map(|child| std::iter::once(child).chain(descendants(child))).collect()
}

/// Whether it still has memory and descriptors; a zombie has not.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    status(pid).is_some_and(|status| !matches!(status.state, 'Z' | 'X'))
}

/// The program's name, at most 15 bytes of it.
#[must_use]
pub fn name(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
}

#[must_use]
pub fn arguments(pid: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

/// Sends a signal to a process of the tree.
#[expect(unsafe_code, reason = "std can signal its own children only, and only with SIGKILL")]
pub fn signal(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).expect("pids are positive i32");
    // SAFETY: kill takes two integers and touches no memory.
    unsafe { libc::kill(pid, signal) };
}

struct Status {
    state: char,
    parent: u32,
}

/// `pid (name) state parent …`; the name may hold spaces and parentheses.
fn status(pid: u32) -> Option<Status> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = line.rsplit_once(") ")?.1.split(' ');
    Some(Status { state: fields.next()?.chars().next()?, parent: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn children_are_seen_until_they_are_dead() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(children(std::process::id()).contains(&child.id()));
        assert!(is_running(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_running(child.id()) && !descendants(std::process::id()).contains(&child.id()));
    }
}
