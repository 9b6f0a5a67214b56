//! A volume of a known size in memory that vanishes with the test, also when that is killed.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Makes a tmpfs on the folder `$0`, and keeps it until standard input ends.
const MOUNT: &str = "mount -t tmpfs -o size=$1 tmpfs \"$0\" && echo mounted && exec cat";
const PIECE: usize = 1 << 20;

/// A tmpfs in a mount namespace of its own: nobody else sees it, and it ends with the process that holds it.
pub struct Disk {
    holder: Child,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    /// None where this machine lets us mount nothing.
    pub fn mount(bytes: u64) -> Option<Self> {
        [&["--mount"][..], &["--mount", "--map-root-user"]]
            .into_iter()
            .find_map(|unshare| Self::try_mount(unshare, bytes))
    }

    fn try_mount(unshare: &[&str], bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        command.args(unshare).args(["sh", "-c", MOUNT]).arg(folder.path()).arg(bytes.to_string());
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut line).ok()?;
        let inside = folder.path().strip_prefix("/").ok()?;
        let path = Path::new("/proc").join(holder.id().to_string()).join("root").join(inside);
        let disk = Self { holder, path, _folder: folder };
        (line.trim() == "mounted").then_some(disk)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.path).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Takes all space but `left` bytes.
    pub fn fill(&self, left: u64) {
        let mut filler = File::create(self.path.join("filler")).unwrap();
        while self.free() > left {
            let piece = usize::try_from(self.free() - left).unwrap().min(PIECE);
            if filler.write_all(&vec![1; piece]).is_err() {
                return;
            }
        }
    }

    /// Gives back what [`Disk::fill`] took.
    pub fn empty(&self) {
        fs::remove_file(self.path.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ended = self.holder.kill();
        let _ended = self.holder.wait();
    }
}
