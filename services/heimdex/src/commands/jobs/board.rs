//! The live view: a bar for each stage, and a line for what is known beyond that. On a terminal only.

use std::collections::{BTreeMap, HashSet};
use std::io::IsTerminal as _;

use heimdex_schemas::{Progress, StageName, UploadId};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The stages that an upload passes.
const PIPELINE: [StageName; 4] = [StageName::Extractor, StageName::Chunker, StageName::Embedder, StageName::Writer];

/// What the stages have said so far, drawn.
pub struct Board {
    all: MultiProgress,
    bars: BTreeMap<StageName, ProgressBar>,
    note: ProgressBar,
    counts: Counts,
}

/// How many messages each stage has handled, of how many.
#[derive(Debug, Default)]
struct Counts {
    seen: HashSet<(UploadId, StageName, u32)>,
    done: BTreeMap<StageName, u64>,
    /// By job, because each brings its own.
    totals: BTreeMap<(StageName, UploadId), u64>,
}

impl Counts {
    /// Takes a report in; the same one again changes nothing.
    fn add(&mut self, report: &Progress) {
        if self.seen.insert((report.upload, report.stage, report.part)) {
            *self.done.entry(report.stage).or_default() += 1;
        }
        self.totals.insert((report.stage, report.upload), report.parts.into());
        // What one stage makes, the next has to handle: once the document is cut, both stages that follow.
        let announced = match report.stage {
            StageName::Extractor => &PIPELINE[1..2],
            StageName::Chunker => &PIPELINE[2..],
            StageName::Embedder | StageName::Writer | StageName::Eraser | StageName::Purger => &[],
        };
        for stage in announced {
            self.totals.entry((*stage, report.upload)).or_insert_with(|| report.outputs.into());
        }
    }

    fn of(&self, stage: StageName) -> (u64, u64) {
        let all = self.totals.iter().filter(|((of, _), _)| *of == stage).map(|(_, total)| total);
        (self.done.get(&stage).copied().unwrap_or_default(), all.sum())
    }
}

impl Board {
    pub fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        let bars = PIPELINE.map(|stage| (stage, all.add(bar(stage)))).into();
        let note = all.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("          {msg}") {
            note.set_style(style);
        }
        Self { all, bars, note, counts: Counts::default() }
    }

    pub fn add(&mut self, report: &Progress) {
        self.counts.add(report);
        for stage in PIPELINE {
            let (done, total) = self.counts.of(stage);
            if let Some(bar) = self.bars.get(&stage) {
                bar.set_length(total);
                bar.set_position(done);
            }
        }
    }

    pub fn note(&self, text: String) {
        self.note.set_message(text);
        self.note.tick();
    }

    /// Prints lines above the bars.
    pub fn say(&self, line: &str) {
        self.all.suspend(|| eprintln!("{line}"));
    }

    /// Takes everything off the terminal.
    pub fn clear(&self) {
        for bar in self.bars.values() {
            bar.finish_and_clear();
        }
        self.note.finish_and_clear();
    }
}

fn bar(stage: StageName) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{prefix:9} {pos:>5}/{len:5} [{bar:40}]") {
        bar.set_style(style);
    }
    bar.set_prefix(stage.as_str());
    bar
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn report(stage: StageName, part: u32, parts: u32, outputs: u32) -> Progress {
        let org = "acme".parse().unwrap();
        let upload = UploadId::new(&org, "/cms", "1");
        Progress { org, upload, stage, part, parts, outputs, sequence: None, at: chrono::Utc::now() }
    }

    #[test]
    fn repeated_reports_count_once_and_the_cut_announces_the_parts() {
        let mut counts = Counts::default();
        counts.add(&report(StageName::Extractor, 0, 1, 1));
        assert_eq!((counts.of(StageName::Extractor), counts.of(StageName::Chunker)), ((1, 1), (0, 1)));
        counts.add(&report(StageName::Chunker, 0, 1, 8));
        for part in [7, 2, 7] {
            counts.add(&report(StageName::Embedder, part, 8, 1));
        }
        assert_eq!((counts.of(StageName::Embedder), counts.of(StageName::Writer)), ((2, 8), (0, 8)));
    }
}
