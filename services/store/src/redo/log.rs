//! The files of a redo log: `<first sequence, 20 digits>.redo`, oldest first.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::RedoError;
use super::frame::{self, Frame, Record, Tail};
use crate::failpoint;

const EXTENSION: &str = "redo";

/// An open redo log; one thread owns it.
#[derive(Debug)]
pub struct RedoLog {
    dir: PathBuf,
    file: File,
    next_sequence: u64,
    /// Bytes of durable frames in the current segment.
    length: u64,
    /// Bytes of the segments that were there when the log was opened.
    inherited: u64,
    /// The file's end is unknown: part of a frame may lie there.
    dirty: bool,
}

impl RedoLog {
    /// Reads every frame in `dir` (created when absent) and starts a new segment behind them.
    ///
    /// A torn tail of the newest segment is dropped; damage anywhere else is an error and changes nothing.
    pub fn open(dir: &Path) -> Result<(Self, Vec<Frame>), RedoError> {
        fs::create_dir_all(dir).map_err(|e| RedoError::io("create", e))?;
        let segments = segments(dir)?;
        let mut frames: Vec<Frame> = Vec::new();
        let mut next = segments.first().map_or(1, |(first, _)| *first);
        let newest = segments.iter().rposition(|(_, path)| !is_empty(path)).unwrap_or_default();
        for (position, (first, path)) in segments.iter().enumerate() {
            if *first < next && is_empty(path) {
                // Left by a cut that found no space: frames went on into the segment before it.
                continue;
            }
            if *first != next {
                return Err(RedoError::Gap { path: path.clone(), found: *first, expected: next });
            }
            let read = read_segment(path, *first, position == newest)?;
            next += read.len() as u64;
            frames.extend(read);
        }
        let inherited = segments.iter().filter_map(|(_, path)| Some(fs::metadata(path).ok()?.len())).sum();
        let file = create_segment(dir, next)?;
        let dir = dir.to_path_buf();
        Ok((Self { dir, file, next_sequence: next, length: 0, inherited, dirty: false }, frames))
    }

    /// Bytes written since the last [`RedoLog::cut`].
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that were there when the log was opened.
    pub fn inherited(&self) -> u64 {
        self.inherited
    }

    /// Every durable frame since the last [`RedoLog::cut`], read again.
    pub fn frames(&mut self) -> Result<Vec<Frame>, RedoError> {
        self.clean()?;
        let mut frames = Vec::new();
        for (first, path) in segments(&self.dir)? {
            frames.extend(read_segment(&path, first, false)?);
        }
        Ok(frames)
    }

    /// Appends one frame and returns once it is on disk. After an error the log holds what it held before.
    pub fn append(&mut self, records: &[Record]) -> Result<(), RedoError> {
        self.clean()?;
        let mut bytes = Vec::new();
        let size = records.iter().map(|record| record.bytes.len()).sum();
        frame::encode(self.next_sequence, records, &mut bytes).ok_or(RedoError::TooLarge(size))?;
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            self.dirty = true;
            if let Err(error) = self.clean() {
                tracing::warn!(%error, "part of a redo frame stays until the next append");
            }
            return Err(RedoError::io("append", source));
        }
        self.next_sequence += 1;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Forgets every frame: what they changed is durable elsewhere, all but what `keep` says.
    pub fn cut(&mut self, keep: &[Record]) -> Result<(), RedoError> {
        self.clean()?;
        let old = segments(&self.dir)?;
        let before = (std::mem::replace(&mut self.file, create_segment(&self.dir, self.next_sequence)?), self.length);
        let first = self.next_sequence;
        self.length = 0;
        if !keep.is_empty()
            && let Err(error) = self.append(keep)
        {
            (self.file, self.length) = before;
            self.dirty = false;
            // Left behind empty it would do no harm.
            let _absent = fs::remove_file(segment_path(&self.dir, first));
            return Err(error);
        }
        failpoint::pass("store_inside_cut");
        for (old, path) in old {
            if old < first {
                fs::remove_file(&path).map_err(|e| RedoError::io(format!("remove {}", path.display()), e))?;
            }
        }
        Ok(())
    }

    /// Cuts off what a failed append left behind. A failed sync leaves unknown pages, so nothing is appended before the
    /// shorter length is durable.
    fn clean(&mut self) -> Result<(), RedoError> {
        if self.dirty {
            let cleaned = self.file.set_len(self.length).and_then(|()| self.file.sync_all());
            cleaned.map_err(|e| RedoError::io("cut off a failed append", e))?;
            self.dirty = false;
        }
        Ok(())
    }
}

fn create_segment(dir: &Path, first: u64) -> Result<File, RedoError> {
    let path = segment_path(dir, first);
    // An existing file of this name holds no valid frame: its first would have counted.
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let file = file.map_err(|e| RedoError::io(format!("create {}", path.display()), e))?;
    let durable = file.set_len(0).and_then(|()| file.sync_all()).and_then(|()| File::open(dir)?.sync_all());
    durable.map_err(|e| RedoError::io(format!("sync {}", path.display()), e))?;
    Ok(file)
}

fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.{EXTENSION}"))
}

fn is_empty(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0)
}

fn segments(dir: &Path) -> Result<Vec<(u64, PathBuf)>, RedoError> {
    let entries: io::Result<Vec<_>> = fs::read_dir(dir).and_then(Iterator::collect);
    let entries = entries.map_err(|e| RedoError::io("list", e))?;
    let mut found: Vec<(u64, PathBuf)> = entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.parse().ok()?, path)))
        .collect();
    found.sort();
    Ok(found)
}

fn read_segment(path: &Path, first: u64, newest: bool) -> Result<Vec<Frame>, RedoError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|e| RedoError::io(format!("read {}", path.display()), e))?;
    let (frames, tail) = frame::decode(&bytes, first);
    let corrupt = |offset, reason| RedoError::Corrupt { path: path.to_path_buf(), offset, reason };
    match tail {
        Tail::Clean => Ok(frames),
        Tail::Corrupt { offset, reason } => Err(corrupt(offset, reason)),
        Tail::Torn { offset } if newest => {
            tracing::warn!(path = %path.display(), offset, "dropped a torn redo frame: it was never acknowledged");
            cut_tail(path, offset)?;
            Ok(frames)
        }
        Tail::Torn { offset } => Err(corrupt(offset, "it is cut short and newer segments follow")),
    }
}

/// Removes torn bytes, since the segment stops being the newest.
fn cut_tail(path: &Path, offset: usize) -> Result<(), RedoError> {
    let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(offset as u64)?;
        file.sync_all()
    });
    cut.map_err(|e| RedoError::io(format!("shorten {}", path.display()), e))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn record(text: &str) -> Record {
        Record { kind: 1, bytes: text.as_bytes().to_vec() }
    }

    fn texts(frames: Vec<Frame>) -> Vec<String> {
        frames.into_iter().flat_map(|f| f.records).map(|r| String::from_utf8(r.bytes).unwrap()).collect()
    }

    fn newest(dir: &Path) -> PathBuf {
        segments(dir).unwrap().pop().unwrap().1
    }

    #[test]
    fn frames_come_back_in_order_over_several_openings() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..3 {
            let (mut log, frames) = RedoLog::open(dir.path()).unwrap();
            assert_eq!(frames.len(), n);
            log.append(&[record(&n.to_string())]).unwrap();
        }
        assert_eq!(texts(RedoLog::open(dir.path()).unwrap().1), ["0", "1", "2"]);
    }

    #[test]
    fn a_cut_forgets_and_numbering_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, _) = RedoLog::open(dir.path()).unwrap();
        log.append(&[record("old")]).unwrap();
        log.cut(&[]).unwrap();
        assert_eq!(log.length(), 0);
        log.append(&[record("new")]).unwrap();
        let (_, frames) = RedoLog::open(dir.path()).unwrap();
        assert_eq!(frames.first().map(|f| f.sequence), Some(2));
        assert_eq!(texts(frames), ["new"]);
    }

    #[test]
    fn a_cut_keeps_what_it_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, _) = RedoLog::open(dir.path()).unwrap();
        log.append(&[record("old")]).unwrap();
        log.cut(&[record("kept")]).unwrap();
        log.append(&[record("new")]).unwrap();
        assert_eq!(texts(log.frames().unwrap()), ["kept", "new"]);
        assert_eq!(texts(RedoLog::open(dir.path()).unwrap().1), ["kept", "new"]);
    }

    #[test]
    fn a_cut_that_found_no_space_leaves_a_log_that_opens() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, _) = RedoLog::open(dir.path()).unwrap();
        log.append(&[record("1")]).unwrap();
        fs::write(dir.path().join("00000000000000000002.redo"), b"").unwrap();
        log.append(&[record("2")]).unwrap();
        log.append(&[record("3")]).unwrap();
        let first = segments(dir.path()).unwrap().remove(0).1;
        let length = fs::metadata(&first).unwrap().len();
        File::options().append(true).open(&first).unwrap().write_all(b"HR").unwrap();
        let (mut log, frames) = RedoLog::open(dir.path()).unwrap();
        assert_eq!(texts(frames), ["1", "2", "3"]);
        assert_eq!(fs::metadata(&first).unwrap().len(), length, "the torn tail was cut off");
        log.append(&[record("4")]).unwrap();
        assert_eq!(texts(RedoLog::open(dir.path()).unwrap().1), ["1", "2", "3", "4"]);
    }

    #[test]
    fn what_a_failed_append_left_is_cut_off_before_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, _) = RedoLog::open(dir.path()).unwrap();
        log.append(&[record("kept")]).unwrap();
        log.file.write_all(b"HRDO part of a frame").unwrap();
        log.dirty = true;
        log.append(&[record("after")]).unwrap();
        assert_eq!(texts(log.frames().unwrap()), ["kept", "after"]);
    }

    #[test]
    fn a_torn_tail_is_dropped_and_stays_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, _) = RedoLog::open(dir.path()).unwrap();
        log.append(&[record("kept")]).unwrap();
        log.append(&[record("torn")]).unwrap();
        let path = newest(dir.path());
        let length = fs::metadata(&path).unwrap().len();
        File::options().write(true).open(&path).unwrap().set_len(length - 1).unwrap();
        let (mut log, frames) = RedoLog::open(dir.path()).unwrap();
        assert_eq!(texts(frames), ["kept"]);
        log.append(&[record("after")]).unwrap();
        assert_eq!(texts(RedoLog::open(dir.path()).unwrap().1), ["kept", "after"]);
    }

    #[test]
    fn damage_before_a_valid_frame_is_a_typed_error_and_destroys_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, _) = RedoLog::open(dir.path()).unwrap();
        log.append(&[record("one")]).unwrap();
        log.append(&[record("two")]).unwrap();
        let path = newest(dir.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes[frame::HEADER + frame::RECORD_HEADER] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let error = RedoLog::open(dir.path()).unwrap_err();
        assert!(matches!(error, RedoError::Corrupt { offset: 0, .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn a_lost_segment_is_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["1", "2", "3"] {
            RedoLog::open(dir.path()).unwrap().0.append(&[record(text)]).unwrap();
        }
        fs::remove_file(&segments(dir.path()).unwrap()[1].1).unwrap();
        let error = RedoLog::open(dir.path()).unwrap_err();
        assert!(matches!(error, RedoError::Gap { found: 3, expected: 2, .. }), "{error}");
    }
}
