//! A run from its first letter to its last.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, future};
use heimdex_bus::Letter;
use heimdex_bus::dead_letter::Depth;
use heimdex_stage::Classify as _;

use super::journal::Journal;
use super::plan::{Plan, Planned};
use super::steps::is_temporary;
use super::watch::{Traveller, Watch};
use super::{Counts, Intent, LetterResult, Pace, Replay, ReplayReport, RunState, Sent, Skipped, Step};
use crate::select::Stretch;
use crate::{Redrive, RedriveError};

/// How often is looked for messages that came back.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often is asked what became of those that are waited for.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// How often a message is tried that cannot be sent just now, and how long is waited in between.
const TRIES: u32 = 10;
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// A run under way.
struct Run<'a, F> {
    redrive: &'a Redrive,
    journal: Journal,
    watch: Watch,
    pace: Pace,
    /// What an earlier part of the run had seen.
    before: Counts,
    letters: Vec<LetterResult>,
    observe: F,
}

impl Redrive {
    /// What [`Redrive::replay`] would do: the same letters, subjects and Msg-Ids. Nothing is changed.
    ///
    /// # Errors
    /// As [`Redrive::replay`].
    pub async fn preview(&self, request: &Replay) -> Result<ReplayReport, RedriveError> {
        request.check()?;
        let stretch = Stretch { after: 0, upto: self.letters.state().await?.last_sequence };
        let (mut counts, mut letters) = (Counts::default(), Vec::new());
        let mut selected = pin!(self.select(&request.filter, stretch, Depth::Headers));
        while let Some(letter) = selected.try_next().await? {
            let result = self.plan(request, letter).await?.result();
            counts.add(&result.result);
            letters.push(result);
        }
        Ok(ReplayReport { run: None, state: RunState::Finished, counts, letters })
    }

    /// Replays what is dead now. What comes back meanwhile is not replayed again.
    ///
    /// # Errors
    /// [`RedriveError::Request`], or the broker or the ledger is away for long: the run can be resumed.
    pub async fn replay<F: FnMut(Step<'_>) + Send>(
        &self,
        request: Replay,
        observe: F,
    ) -> Result<ReplayReport, RedriveError> {
        request.check()?;
        let upto = self.letters.state().await?.last_sequence;
        let pace = Pace::new(request.rate);
        let journal = Journal::begin(self, request, upto).await?;
        let watch = Watch::new(upto);
        let (before, letters) = (Counts::default(), Vec::new());
        Run { redrive: self, journal, watch, pace, before, letters, observe }.finish().await
    }

    /// Goes on with a run that stopped, or whose process died, from where it was, canaries first.
    ///
    /// # Errors
    /// [`RedriveError::NoRun`], [`RedriveError::Ended`], and as [`Redrive::replay`].
    pub async fn resume<F: FnMut(Step<'_>) + Send>(&self, run: &str, observe: F) -> Result<ReplayReport, RedriveError> {
        let (journal, done) = Journal::open(self, run).await?;
        let pace = Pace::new(journal.record.request.rate);
        let mut watch = Watch::new(self.letters.state().await?.last_sequence);
        done.iter().for_each(|letter| watch.expect(letter));
        let before = journal.record.counts.clone();
        Run { redrive: self, journal, watch, pace, before, letters: done, observe }.finish().await
    }

    /// One letter through all its steps.
    async fn replay_one(
        &self,
        request: &Replay,
        run: &str,
        pace: &Pace,
        letter: Letter,
    ) -> Result<LetterResult, RedriveError> {
        let plan = self.plan(request, letter).await?;
        let planned = match &plan {
            Plan::Send(planned) => planned,
            Plan::Skip(..) => return Ok(plan.result()),
            Plan::Retire(letter) => {
                self.retire(letter).await?;
                return Ok(plan.result());
            }
        };
        pace.turn().await;
        let receipt = Traveller::version(self, &planned.letter).await?;
        let mut tries = 1;
        let sent = loop {
            match self.send_one(request, run, planned).await {
                Err(error) if is_temporary(&error) && tries < TRIES => {
                    tracing::warn!(%error, letter = planned.letter.sequence, tries, "not sent, trying again");
                    tokio::time::sleep(TRY_AGAIN).await;
                    tries += 1;
                }
                sent => break sent,
            }
        };
        match sent {
            Ok(sent) => Ok(LetterResult { receipt, ..planned.result(sent) }),
            Err(error) if is_temporary(&error) => Err(error),
            Err(error) => {
                let (code, message) = (error.code().to_owned(), error.to_string());
                Ok(planned.result(Sent::Failed { code, message }))
            }
        }
    }

    async fn send_one(&self, request: &Replay, run: &str, planned: &Planned) -> Result<Sent, RedriveError> {
        // Read before the mark is made: a letter that is gone leaves no mark.
        let Some(letter) = self.letters.get(planned.letter.sequence).await? else {
            return Ok(Sent::Skipped { reason: Skipped::Gone });
        };
        if self.intend(planned, run, request.keep).await? == Intent::Sent {
            return Ok(Sent::Skipped { reason: Skipped::AlreadyReplayed });
        }
        let published = self.send(planned, &letter).await?;
        self.confirm(planned).await?;
        if !request.keep {
            self.retire(&letter).await?;
        }
        Ok(Sent::Sent { sequence: published.sequence, duplicate: published.duplicate })
    }
}

impl<F: FnMut(Step<'_>) + Send> Run<'_, F> {
    async fn finish(mut self) -> Result<ReplayReport, RedriveError> {
        let left = self.journal.record.upto.saturating_sub(self.journal.record.after);
        (self.observe)(Step::Started { run: &self.journal.record.run, letters: left });
        let driven = self.drive().await;
        let state = match &driven {
            Ok(state) => state.clone(),
            Err(error) => RunState::Stopped { reason: error.to_string() },
        };
        self.watch.write_to(&mut self.journal.record.counts, &self.before);
        let written = self.journal.end(self.redrive, state.clone()).await;
        driven?;
        written?;
        let record = self.journal.record;
        Ok(ReplayReport { run: Some(record.run), state, counts: record.counts, letters: self.letters })
    }

    async fn drive(&mut self) -> Result<RunState, RedriveError> {
        if let Some(reason) = self.canary().await? {
            return Ok(RunState::Stopped { reason });
        }
        if let Some(reason) = self.rest().await? {
            return Ok(RunState::Stopped { reason });
        }
        self.wait().await?;
        self.watch.look(self.redrive).await?;
        Ok(RunState::Finished)
    }

    const fn stretch(&self) -> Stretch {
        Stretch { after: self.journal.record.after, upto: self.journal.record.upto }
    }

    async fn note(&mut self, letter: LetterResult) -> Result<(), RedriveError> {
        self.watch.expect(&letter);
        (self.observe)(Step::Letter(&letter));
        self.letters.push(letter.clone());
        self.journal.note(self.redrive, letter).await
    }

    /// Sends the first few, one after the other, and waits for them. Returns why the rest is not sent.
    async fn canary(&mut self) -> Result<Option<String>, RedriveError> {
        let (redrive, request) = (self.redrive, self.journal.record.request.clone());
        let run = self.journal.record.run.clone();
        let mut travellers = Vec::new();
        let mut letters = pin!(redrive.select(&request.filter, self.stretch(), Depth::Headers));
        while travellers.len() < request.canary as usize {
            let Some(letter) = letters.try_next().await? else { break };
            let result = redrive.replay_one(&request, &run, &self.pace, letter).await?;
            travellers.extend(Traveller::of(&result));
            self.note(result).await?;
        }
        if travellers.is_empty() {
            return Ok(None);
        }
        (self.observe)(Step::Canary { sent: travellers.len() as u64 });
        self.hear_of(travellers, request.canary_patience).await
    }

    async fn hear_of(&mut self, mut away: Vec<Traveller>, patience: Duration) -> Result<Option<String>, RedriveError> {
        let give_up = Instant::now() + patience;
        loop {
            let news = self.watch.news(self.redrive, away).await?;
            self.journal.record.counts.came_through += news.through;
            if news.back > 0 {
                return Ok(Some("a message that was sent first came back dead".to_owned()));
            }
            if news.left.is_empty() {
                return Ok(None);
            }
            if Instant::now() >= give_up {
                let unheard = news.unheard;
                let reason = format!("{unheard} of the messages sent first were not handled within {patience:?}");
                return Ok((unheard > 0).then_some(reason));
            }
            away = news.left;
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Sends the rest at the pace. Returns why it stopped before the end.
    async fn rest(&mut self) -> Result<Option<String>, RedriveError> {
        let (redrive, request) = (self.redrive, self.journal.record.request.clone());
        let run = self.journal.record.run.clone();
        let pace = std::mem::replace(&mut self.pace, Pace::new(0.0));
        let stop = AtomicBool::new(false);
        let letters = redrive.select(&request.filter, self.stretch(), Depth::Headers);
        // What is in hand when it stops is finished, nothing is begun.
        let wanted = letters.try_take_while(|_| future::ready(Ok(!stop.load(Ordering::Relaxed))));
        let replayed = wanted.map_ok(|letter| redrive.replay_one(&request, &run, &pace, letter));
        let mut replayed = pin!(replayed.try_buffered(request.in_flight));
        let mut looked = Instant::now();
        while let Some(result) = replayed.next().await {
            self.note(result?).await?;
            if looked.elapsed() >= LOOK_EVERY {
                self.watch.look(redrive).await?;
                looked = Instant::now();
                stop.store(self.watch.came_back >= request.stop_after, Ordering::Relaxed);
            }
        }
        let came_back = self.watch.came_back;
        Ok(stop.load(Ordering::Relaxed).then(|| format!("{came_back} messages came back dead of the same cause")))
    }

    /// Waits for what becomes of everything that was sent.
    async fn wait(&mut self) -> Result<(), RedriveError> {
        let patience = self.journal.record.request.wait;
        let give_up = Instant::now() + patience;
        let mut away: Vec<Traveller> = self.letters.iter().filter_map(Traveller::of).collect();
        if patience.is_zero() {
            return Ok(());
        }
        // Canaries are counted again with the others.
        self.journal.record.counts.came_through = 0;
        loop {
            let news = self.watch.news(self.redrive, away).await?;
            self.journal.record.counts.came_through += news.through;
            (self.observe)(Step::Waiting { left: news.left.len() as u64 });
            if news.left.is_empty() || Instant::now() >= give_up {
                return Ok(());
            }
            away = news.left;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
