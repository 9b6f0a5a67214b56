//! Child processes that never outlive their test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A running program: killed when dropped, and by the kernel when the test process dies.
pub struct Child {
    inner: std::process::Child,
    output: Arc<Mutex<String>>,
}

impl Child {
    /// Starts `command` and collects what it writes on stdout and stderr.
    pub fn spawn(mut command: Command) -> std::io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        die_with_parent(&mut command);
        let mut inner = command.spawn()?;
        let output = Arc::new(Mutex::new(String::new()));
        if let Some(stdout) = inner.stdout.take() {
            collect(stdout, Arc::clone(&output));
        }
        if let Some(stderr) = inner.stderr.take() {
            collect(stderr, Arc::clone(&output));
        }
        Ok(Self { inner, output })
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// What it has written so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.inner.try_wait(), Ok(None))
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill9(&mut self) {
        let _ = self.inner.kill();
        let _ = self.inner.wait();
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    /// Sends a signal, for example `libc::SIGSTOP`.
    #[expect(unsafe_code, reason = "std has no way to send a signal other than SIGKILL")]
    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.inner.id()).expect("pids are positive i32");
        // SAFETY: kill takes two integers and touches no memory; the child is not reaped while `self` holds it.
        unsafe { libc::kill(pid, signal) };
    }

    /// Waits for the end; panics with the output when it takes longer.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let give_up = Instant::now() + patience;
        loop {
            if let Some(status) = self.inner.try_wait().expect("wait for a child") {
                return status;
            }
            assert!(Instant::now() < give_up, "still running after {patience:?}; it wrote:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill9();
    }
}

fn collect(source: impl Read + Send + 'static, output: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            let mut output = output.lock().unwrap();
            output.push_str(&line);
            output.push('\n');
        }
    });
}

/// The kernel kills the child when the thread that started it ends, so an aborted test leaves nothing behind.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "PR_SET_PDEATHSIG must be set between fork and exec")]
fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: prctl is async-signal-safe and touches no memory of the parent.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}
