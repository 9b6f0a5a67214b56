//! What becomes of replayed messages: a receipt, a handled message, or a dead letter again.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt as _, TryStreamExt as _};
use heimdex_bus::dead_letter::{Address, Depth};
use heimdex_bus::{Letter, topology};
use heimdex_schemas::{Org, ReceiptState, StageName, UploadId};

use super::{Counts, LetterResult, Sent};
use crate::{Redrive, RedriveError};

/// Messages asked for at the same time.
const ASK_AT_ONCE: usize = 16;

/// Watches for messages that come back.
pub(super) struct Watch {
    /// Dead letters up to this sequence were seen.
    cursor: u64,
    /// Msg-Id to fingerprint.
    sent: HashMap<String, String>,
    /// A message sent to an earlier stage may die under another Msg-Id.
    uploads: HashMap<UploadId, String>,
    back: HashSet<String>,
    pub came_back: u64,
    pub changed: u64,
}

/// One message that was sent, and what is known of its job from before.
pub(super) struct Traveller {
    msg_id: String,
    subject: String,
    sequence: u64,
    job: Option<(Org, UploadId)>,
    /// Version of the receipt when it was sent.
    before: Option<u32>,
}

/// How one message fares, if it is not back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Unknown,
    /// Its stage is through with it, but nothing is known of its job.
    Handled,
    Through,
}

/// What was heard of several.
#[derive(Default)]
pub(super) struct News {
    pub back: u64,
    pub through: u64,
    /// Not even handled yet.
    pub unheard: u64,
    pub left: Vec<Traveller>,
}

impl Watch {
    /// Watches for dead letters after sequence `cursor`.
    pub fn new(cursor: u64) -> Self {
        let (sent, uploads, back) = (HashMap::new(), HashMap::new(), HashSet::new());
        Self { cursor, sent, uploads, back, came_back: 0, changed: 0 }
    }

    /// A message that may come back.
    pub fn expect(&mut self, letter: &LetterResult) {
        if let (Some(msg_id), Sent::Sent { .. }) = (&letter.msg_id, &letter.result) {
            self.sent.insert(msg_id.clone(), letter.fingerprint.clone());
            if let Some(upload) = letter.upload {
                self.uploads.insert(upload, letter.fingerprint.clone());
            }
        }
    }

    /// Looks for dead letters since the last look.
    pub async fn look(&mut self, redrive: &Redrive) -> Result<(), RedriveError> {
        let last = redrive.letters.state().await?.last_sequence;
        while self.cursor < last {
            let page = redrive.letters.page(&Address::default(), self.cursor, Depth::Headers).await?;
            // What was removed since leaves nothing to read.
            self.cursor = page.last().map_or(last, |letter| letter.sequence);
            page.iter().for_each(|letter| self.see(letter));
        }
        Ok(())
    }

    fn see(&mut self, letter: &Letter) {
        let by_message = letter.origin.msg_id.as_ref().and_then(|id| self.sent.get_key_value(id));
        let same = match by_message {
            Some((msg_id, fingerprint)) => {
                let same = *fingerprint == letter.fingerprint;
                self.back.insert(msg_id.clone());
                same
            }
            None => {
                let ours = letter.upload.and_then(|upload| self.uploads.get(&upload));
                if ours != Some(&letter.fingerprint) {
                    return;
                }
                true
            }
        };
        if same { self.came_back += 1 } else { self.changed += 1 }
    }

    pub fn write_to(&self, counts: &mut Counts, before: &Counts) {
        counts.came_back = before.came_back + self.came_back;
        counts.came_back_changed = before.came_back_changed + self.changed;
    }
}

impl Watch {
    /// Asks for each of the messages. The order matters: a dead letter is written before the receipt that it leads to,
    /// and before the message is let go. So what the look at the end does not find was not there when the receipt was
    /// read.
    pub async fn news(&mut self, redrive: &Redrive, away: Vec<Traveller>) -> Result<News, RedriveError> {
        let asked = away.into_iter().map(|traveller| async move {
            let fate = traveller.ask(redrive).await?;
            Ok::<_, RedriveError>((traveller, fate))
        });
        let fates: Vec<_> = futures::stream::iter(asked).buffered(ASK_AT_ONCE).try_collect().await?;
        self.look(redrive).await?;
        let mut news = News::default();
        for (traveller, fate) in fates {
            if self.back.contains(&traveller.msg_id) {
                news.back += 1;
            } else if fate == Fate::Through {
                news.through += 1;
            } else {
                news.unheard += u64::from(fate == Fate::Unknown);
                news.left.push(traveller);
            }
        }
        Ok(news)
    }
}

impl Traveller {
    /// Version of the receipt of the letter's job.
    pub async fn version(redrive: &Redrive, letter: &Letter) -> Result<Option<u32>, RedriveError> {
        let (Some(org), Some(upload)) = (&letter.org, letter.upload) else { return Ok(None) };
        Ok(redrive.bus.receipts().current(org, upload).await?.map(|update| update.receipt.version))
    }

    /// `None` for a letter that was not sent.
    pub fn of(letter: &LetterResult) -> Option<Self> {
        let Sent::Sent { sequence, .. } = letter.result else { return None };
        let job = letter.org.clone().zip(letter.upload);
        let (msg_id, subject) = (letter.msg_id.clone()?, letter.subject.clone()?);
        Some(Self { msg_id, subject, sequence, job, before: letter.receipt })
    }

    async fn ask(&self, redrive: &Redrive) -> Result<Fate, RedriveError> {
        if redrive.letters.is_queued(&self.subject, self.sequence).await? {
            return Ok(Fate::Unknown);
        }
        let through = self.is_all_there_is() || self.has_new_receipt(redrive).await?;
        Ok(if through { Fate::Through } else { Fate::Handled })
    }

    /// The writer publishes its receipt before it lets the message go, and without a job there is none.
    fn is_all_there_is(&self) -> bool {
        self.job.is_none() || topology::stage_of(&self.subject) == Some(StageName::Writer)
    }

    async fn has_new_receipt(&self, redrive: &Redrive) -> Result<bool, RedriveError> {
        let Some((org, job)) = &self.job else { return Ok(false) };
        let current = redrive.bus.receipts().current(org, *job).await?;
        Ok(current.is_some_and(|update| {
            let receipt = update.receipt;
            self.before.is_none_or(|before| receipt.version > before) && receipt.state != ReceiptState::Failed
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;
    use crate::filter::tests::letter;
    use crate::replay::plan::Planned;

    fn sent(sequence: u64, upload: Option<UploadId>) -> LetterResult {
        let letter = Letter { upload, ..letter(sequence) };
        let planned = Planned { letter, subject: "s".to_owned(), msg_id: format!("m{sequence}"), replay: 1 };
        planned.result(Sent::Sent { sequence: 1, duplicate: false })
    }

    fn returned(msg_id: &str, fingerprint: &str, upload: Option<UploadId>) -> Letter {
        let mut letter = Letter { fingerprint: fingerprint.to_owned(), upload, ..letter(99) };
        letter.origin.msg_id = Some(msg_id.to_owned());
        letter
    }

    #[test]
    fn only_our_own_count_and_by_their_fingerprint() {
        let mut watch = Watch::new(0);
        watch.expect(&sent(1, None));
        watch.expect(&sent(2, None));
        let same = letter(1).fingerprint;
        for letter in [returned("m1", &same, None), returned("m2", "other", None), returned("stranger", &same, None)] {
            watch.see(&letter);
        }
        assert_eq!((watch.came_back, watch.changed), (1, 1));
        assert!(watch.back.contains("m1") && watch.back.contains("m2"));
    }

    #[test]
    fn a_job_that_dies_of_the_same_later_has_come_back() {
        let upload = UploadId::new(&"acme".parse().unwrap(), "s", "e");
        let mut watch = Watch::new(0);
        watch.expect(&sent(1, Some(upload)));
        let same = letter(1).fingerprint;
        watch.see(&returned("of a later stage", "other", Some(upload)));
        watch.see(&returned("of a later stage", &same, Some(upload)));
        assert_eq!((watch.came_back, watch.changed), (1, 0));
    }
}
