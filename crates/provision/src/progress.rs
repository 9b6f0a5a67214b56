//! How a download shows itself: a bar on a terminal, a line now and then elsewhere, or nothing.

use std::{
    io::{IsTerminal, Write, stderr},
    sync::Mutex,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Told what is being fetched. Called from the thread that asked; at most a few times a second.
pub trait Progress: Send + Sync {
    /// A download of `total` bytes of `name` begins.
    fn started(&self, name: &str, total: u64);
    /// `done` of `total` bytes have arrived so far.
    fn advanced(&self, name: &str, done: u64, total: u64);
    /// `name` is in place.
    fn finished(&self, name: &str);
}

/// Says nothing.
pub struct Quiet;

impl Progress for Quiet {
    fn started(&self, _: &str, _: u64) {}
    fn advanced(&self, _: &str, _: u64, _: u64) {}
    fn finished(&self, _: &str) {}
}

/// One line at each start and end, and one per quarter of a download, on stderr.
#[derive(Default)]
pub struct Plain {
    quarter: Mutex<u64>,
}

impl Progress for Plain {
    fn started(&self, name: &str, total: u64) {
        self.enter(0);
        say(&format!("downloading {name} ({})", megabytes(total)));
    }

    fn advanced(&self, name: &str, done: u64, total: u64) {
        let quarter = done.saturating_mul(4) / total.max(1);
        if (1..4).contains(&quarter) && self.enter(quarter) {
            say(&format!("  {name}: {} of {}", megabytes(done), megabytes(total)));
        }
    }

    fn finished(&self, name: &str) {
        say(&format!("{name} is ready"));
    }
}

impl Plain {
    /// Remembers the quarter reached; true when it is a new one.
    fn enter(&self, quarter: u64) -> bool {
        let mut last = self.quarter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let new = *last != quarter;
        *last = quarter;
        new
    }
}

/// A bar with bytes and rate on stderr.
pub struct Terminal {
    bar: ProgressBar,
}

impl Default for Terminal {
    fn default() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) =
            ProgressStyle::with_template("{msg:34} [{bar:30}] {bytes:>10} of {total_bytes:10} {bytes_per_sec}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar }
    }
}

impl Progress for Terminal {
    fn started(&self, name: &str, total: u64) {
        self.bar.reset();
        self.bar.set_length(total);
        self.bar.set_message(name.to_owned());
    }

    fn advanced(&self, _: &str, done: u64, total: u64) {
        self.bar.set_position(done.min(total));
    }

    fn finished(&self, name: &str) {
        self.bar.suspend(|| say(&format!("{name} is ready")));
        self.bar.finish_and_clear();
    }
}

/// [`Terminal`] when stderr is one, else [`Plain`].
#[must_use]
pub fn for_stderr() -> Box<dyn Progress> {
    if stderr().is_terminal() { Box::new(Terminal::default()) } else { Box::new(Plain::default()) }
}

/// A closed stderr is no reason to fail a download.
fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
