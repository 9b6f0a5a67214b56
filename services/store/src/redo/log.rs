//! The files of a redo log: `<first sequence, 20 digits>.redo`, oldest first.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::RedoError;
use super::frame::{self, Frame, Record, Tail};

const EXTENSION: &str = "redo";

/// An open redo log; one thread owns it.
#[derive(Debug)]
pub struct RedoLog {
    dir: PathBuf,
    file: File,
    next_sequence: u64,
    /// Bytes of durable frames in the current segment.
    length: u64,
    poisoned: bool,
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
        let newest = segments.len().saturating_sub(1);
        for (position, (first, path)) in segments.iter().enumerate() {
            if *first != next {
                return Err(RedoError::Gap { path: path.clone(), found: *first, expected: next });
            }
            let read = read_segment(path, *first, position == newest)?;
            next += read.len() as u64;
            frames.extend(read);
        }
        let file = create_segment(dir, next)?;
        Ok((Self { dir: dir.to_path_buf(), file, next_sequence: next, length: 0, poisoned: false }, frames))
    }

    /// Bytes written since the last [`RedoLog::cut`].
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Every durable frame since the last [`RedoLog::cut`], read again.
    pub fn frames(&self) -> Result<Vec<Frame>, RedoError> {
        let mut frames = Vec::new();
        for (first, path) in segments(&self.dir)? {
            frames.extend(read_segment(&path, first, false)?);
        }
        Ok(frames)
    }

    /// Appends one frame and returns once it is on disk. After an error the log holds what it held before.
    pub fn append(&mut self, records: &[Record]) -> Result<(), RedoError> {
        if self.poisoned {
            return Err(RedoError::Poisoned);
        }
        let mut bytes = Vec::new();
        let size = records.iter().map(|record| record.bytes.len()).sum();
        frame::encode(self.next_sequence, records, &mut bytes).ok_or(RedoError::TooLarge(size))?;
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            self.undo_append();
            return Err(RedoError::io("append", source));
        }
        self.next_sequence += 1;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Forgets every frame: what they changed is durable elsewhere.
    pub fn cut(&mut self) -> Result<(), RedoError> {
        if self.poisoned {
            return Err(RedoError::Poisoned);
        }
        let old = segments(&self.dir)?;
        self.file = create_segment(&self.dir, self.next_sequence)?;
        self.length = 0;
        for (first, path) in old {
            if first < self.next_sequence {
                fs::remove_file(&path).map_err(|e| RedoError::io(format!("remove {}", path.display()), e))?;
            }
        }
        Ok(())
    }

    /// A failed append may have left part of a frame behind. A failed sync leaves unknown pages behind, so if the
    /// shorter length cannot be made durable the log refuses further writes.
    fn undo_append(&mut self) {
        let undone = self.file.set_len(self.length).and_then(|()| self.file.sync_all());
        self.poisoned = undone.is_err();
    }
}

fn create_segment(dir: &Path, first: u64) -> Result<File, RedoError> {
    let path = dir.join(format!("{first:020}.{EXTENSION}"));
    // An existing file of this name holds no valid frame: its first would have counted.
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let file = file.map_err(|e| RedoError::io(format!("create {}", path.display()), e))?;
    let durable = file.set_len(0).and_then(|()| file.sync_all()).and_then(|()| File::open(dir)?.sync_all());
    durable.map_err(|e| RedoError::io(format!("sync {}", path.display()), e))?;
    Ok(file)
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
        log.cut().unwrap();
        assert_eq!(log.length(), 0);
        log.append(&[record("new")]).unwrap();
        let (_, frames) = RedoLog::open(dir.path()).unwrap();
        assert_eq!(frames.first().map(|f| f.sequence), Some(2));
        assert_eq!(texts(frames), ["new"]);
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
