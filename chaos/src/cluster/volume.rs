//! A small disk that can be filled: a tmpfs of its own size.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// What takes the free space.
const BALLAST: &str = "ballast";

/// A mounted tmpfs; unmounted when dropped.
pub struct Volume {
    path: PathBuf,
}

impl Volume {
    /// Mounts `bytes` of tmpfs on `path`.
    ///
    /// # Errors
    /// When the process may not mount; `unshare --user --map-root-user --mount` gives it that right where the kernel lets it.
    pub fn mount(path: &Path, bytes: u64) -> anyhow::Result<Self> {
        let (at, kind) = (CString::new(path.as_os_str().as_bytes())?, c"tmpfs");
        let options = CString::new(format!("size={bytes},mode=700"))?;
        #[expect(unsafe_code, reason = "std cannot mount")]
        // SAFETY: all pointers are to strings that end in NUL and outlive the call.
        let done = unsafe {
            libc::mount(
                kind.as_ptr(),
                at.as_ptr(),
                kind.as_ptr(),
                libc::MS_NOSUID | libc::MS_NODEV,
                options.as_ptr().cast(),
            )
        };
        let needs = "a full disk needs the right to mount a tmpfs: run it as root, or under \
                     `unshare --user --map-root-user --mount`";
        ensure!(done == 0, "{needs} ({})", std::io::Error::last_os_error());
        Ok(Self { path: path.to_owned() })
    }

    /// Takes all the free space but `left` bytes.
    ///
    /// # Errors
    /// When the file that takes it cannot be made.
    pub fn fill(&self, left: u64) -> anyhow::Result<()> {
        let ballast = File::create(self.path.join(BALLAST)).context("no ballast")?;
        let bytes = self.free()?.saturating_sub(left);
        let bytes = libc::off_t::try_from(bytes)?;
        if bytes == 0 {
            return Ok(());
        }
        #[expect(unsafe_code, reason = "std has no fallocate")]
        // SAFETY: the descriptor is open, and nothing else is passed.
        let done = unsafe { libc::fallocate(ballast.as_raw_fd(), 0, 0, bytes) };
        // What others took in between is missing then, and the disk is full all the same.
        let full = std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOSPC);
        ensure!(done == 0 || full, "no ballast: {}", std::io::Error::last_os_error());
        Ok(())
    }

    /// Gives the space back.
    ///
    /// # Errors
    /// When the file that took it cannot be removed.
    pub fn empty(&self) -> anyhow::Result<()> {
        fs::remove_file(self.path.join(BALLAST)).context("the ballast stays")
    }

    /// Free bytes.
    ///
    /// # Errors
    /// When the file system does not answer.
    pub fn free(&self) -> anyhow::Result<u64> {
        let at = CString::new(self.path.as_os_str().as_bytes())?;
        #[expect(unsafe_code, reason = "std has no statvfs")]
        // SAFETY: the path ends in NUL, and a zeroed statvfs is a valid place for the answer.
        let (done, stat) = unsafe {
            let mut stat: libc::statvfs = std::mem::zeroed();
            (libc::statvfs(at.as_ptr(), &raw mut stat), stat)
        };
        ensure!(done == 0, "statvfs: {}", std::io::Error::last_os_error());
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let Ok(at) = CString::new(self.path.as_os_str().as_bytes()) else { return };
        #[expect(unsafe_code, reason = "std cannot unmount")]
        // SAFETY: the path ends in NUL. Lazily: a killed process may not be gone yet.
        unsafe {
            libc::umount2(at.as_ptr(), libc::MNT_DETACH);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_volume_fills_and_empties_where_mounting_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let volume = match Volume::mount(folder.path(), 4 << 20) {
            Ok(volume) => volume,
            Err(refused) => {
                assert!(refused.to_string().contains("unshare"), "{refused}");
                return;
            }
        };
        volume.fill(8192).unwrap();
        assert!(volume.free().unwrap() <= 8192);
        assert!(fs::write(folder.path().join("a"), vec![0; 64 << 10]).is_err());
        volume.empty().unwrap();
        fs::write(folder.path().join("a"), vec![0; 64 << 10]).unwrap();
        drop(volume);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
