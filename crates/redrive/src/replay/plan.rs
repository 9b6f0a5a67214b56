//! What a replay would do with a letter: one decision for dry runs and real ones.

use heimdex_bus::{Letter, topology};
use heimdex_schemas::subject::Address;
use heimdex_schemas::{FailureClass, StageName};
use serde::{Deserialize, Serialize};

use super::steps::Mark;
use super::{Destination, LetterResult, Replay, Sent};
use crate::{Redrive, RedriveError, record};

/// What to do with one letter.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    Send(Box<Planned>),
    Skip(Box<Letter>, Skipped),
    /// Its replay was sent, and a crash left it behind: it only has to be removed.
    Retire(Box<Letter>),
}

/// A letter that will be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Without its payload.
    pub letter: Letter,
    pub subject: String,
    pub msg_id: String,
    /// How often it has been replayed then.
    pub replay: u32,
}

/// Why a letter is left where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// A replay of it was sent, and it was kept.
    AlreadyReplayed,
    /// It was replayed as often as it may be.
    ReplayedTooOften,
    /// Somebody did not want the work any more; name the class to replay it all the same.
    Cancelled,
    /// It does not say where it came from, or the destination is not of its org.
    NoDestination,
    /// The event that its upload began with is not kept any more.
    NoOriginal,
    /// Somebody removed it meanwhile.
    Gone,
}

impl Redrive {
    /// Decides about one letter. Two calls agree unless somebody replays the letter in between.
    pub(super) async fn plan(&self, request: &Replay, letter: Letter) -> Result<Plan, RedriveError> {
        let mark = record::read::<Mark>(self.ledger.as_ref(), &Mark::key(&letter)).await?.map(|(_, mark)| mark);
        match decide(request, letter, mark) {
            Plan::Send(planned) if planned.starts_anew() && self.original(&planned.letter).await?.is_none() => {
                Ok(Plan::Skip(Box::new(planned.letter), Skipped::NoOriginal))
            }
            plan => Ok(plan),
        }
    }
}

fn decide(request: &Replay, letter: Letter, mark: Option<Mark>) -> Plan {
    let skip = |letter, reason| Plan::Skip(Box::new(letter), reason);
    if letter.class == Some(FailureClass::Cancelled) && request.filter.classes.is_empty() {
        return skip(letter, Skipped::Cancelled);
    }
    let mut replay = letter.replay.saturating_add(1);
    match mark {
        // What was begun is finished as it was begun.
        Some(Mark { subject, msg_id, replay, sent: None, .. }) => {
            return Plan::Send(Box::new(Planned { letter, subject, msg_id, replay }));
        }
        Some(Mark { keep: false, .. }) if !request.keep => return Plan::Retire(Box::new(letter)),
        Some(_) if !request.force => return skip(letter, Skipped::AlreadyReplayed),
        Some(mark) => replay = replay.max(mark.replay.saturating_add(1)),
        None => {}
    }
    if replay > request.max_replays && !request.force {
        return skip(letter, Skipped::ReplayedTooOften);
    }
    let Some(subject) = destination(&request.destination, &letter) else {
        return skip(letter, Skipped::NoDestination);
    };
    let mut planned = Planned { msg_id: format!("redrive-{}-{replay}", letter.id()), letter, subject, replay };
    if let (true, Some(upload)) = (planned.starts_anew(), planned.letter.upload) {
        // That of the upload, so that the letters of its other parts do not begin it once more.
        planned.msg_id = format!("{upload}-{replay}");
    }
    Plan::Send(Box::new(planned))
}

/// A message never leaves its org.
fn destination(destination: &Destination, letter: &Letter) -> Option<String> {
    let origin = letter.origin.subject.as_str();
    let subject = match destination {
        Destination::Origin => origin.to_owned(),
        Destination::Lane(lane) => Address { lane: *lane, ..origin.parse().ok()? }.subject(),
        Destination::Subject(subject) => {
            let (to, from): (Address, Address) = (subject.parse().ok()?, origin.parse().ok()?);
            (to.org == from.org).then(|| subject.clone())?
        }
        Destination::Start => {
            let from: Address = origin.parse().ok()?;
            topology::input_subject(StageName::Extractor, from.lane, &from.org)
        }
    };
    topology::stage_of(&subject).is_some().then_some(subject)
}

impl Plan {
    /// As a dry run reports it.
    pub(super) fn result(&self) -> LetterResult {
        match self {
            Self::Send(planned) => planned.result(Sent::Planned),
            Self::Skip(letter, reason) => {
                LetterResult { result: Sent::Skipped { reason: *reason }, ..about(letter, letter.replay) }
            }
            Self::Retire(letter) => {
                let result = Sent::Skipped { reason: Skipped::AlreadyReplayed };
                LetterResult { result, ..about(letter, letter.replay) }
            }
        }
    }
}

impl Planned {
    /// Whether it goes back to the first stage: what was made of the upload since is not what that reads.
    pub(super) fn starts_anew(&self) -> bool {
        let first = Some(StageName::Extractor);
        topology::stage_of(&self.subject) == first && topology::stage_of(&self.letter.origin.subject) != first
    }

    pub(super) fn result(&self, result: Sent) -> LetterResult {
        LetterResult {
            subject: Some(self.subject.clone()),
            msg_id: Some(self.msg_id.clone()),
            result,
            ..about(&self.letter, self.replay)
        }
    }
}

fn about(letter: &Letter, replay: u32) -> LetterResult {
    LetterResult {
        sequence: letter.sequence,
        letter: letter.id(),
        org: letter.org.clone(),
        asset: letter.asset.clone(),
        upload: letter.upload,
        fingerprint: letter.fingerprint.clone(),
        subject: None,
        msg_id: None,
        replay,
        receipt: None,
        result: Sent::Planned,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

    use chrono::DateTime;
    use heimdex_schemas::Lane;

    use super::*;
    use crate::Filter;
    use crate::filter::tests::letter;

    fn mark(letter: &Letter, sent: bool) -> Mark {
        Mark {
            sent: sent.then_some(DateTime::UNIX_EPOCH),
            keep: true,
            ..Mark::of(letter, "run", "me@here", ("heimdex.asset.uploaded.bulk.acme", "begun", 1))
        }
    }

    fn sent(plan: Plan) -> Planned {
        match plan {
            Plan::Send(planned) => *planned,
            other => panic!("not sent: {other:?}"),
        }
    }

    fn skipped(plan: Plan) -> Skipped {
        match plan {
            Plan::Skip(_, reason) => reason,
            other => panic!("not skipped: {other:?}"),
        }
    }

    #[test]
    fn a_letter_goes_where_it_came_from_under_its_own_id() {
        let planned = sent(decide(&Replay::default(), letter(5), None));
        assert_eq!(planned.subject, "heimdex.asset.uploaded.bulk.acme");
        assert_eq!((planned.msg_id.as_str(), planned.replay), ("redrive-7-5-1", 1));
    }

    #[test]
    fn what_was_begun_is_finished_as_it_was_begun() {
        let request = Replay { destination: Destination::Lane(Lane::Interactive), ..Replay::default() };
        let planned = sent(decide(&request, letter(5), Some(mark(&letter(5), false))));
        assert_eq!((planned.subject.as_str(), planned.msg_id.as_str()), ("heimdex.asset.uploaded.bulk.acme", "begun"));
    }

    #[test]
    fn what_was_sent_is_sent_again_only_by_force() {
        let forced = Replay { force: true, ..Replay::default() };
        let found = || Some(mark(&letter(5), true));
        assert_eq!(skipped(decide(&Replay::default(), letter(5), found())), Skipped::AlreadyReplayed);
        let again = sent(decide(&forced, letter(5), found()));
        assert_eq!((again.msg_id.as_str(), again.replay), ("redrive-7-5-2", 2));
    }

    #[test]
    fn what_a_crash_left_behind_is_removed_and_not_sent_again() {
        let left = Some(Mark { keep: false, ..mark(&letter(5), true) });
        assert!(matches!(decide(&Replay::default(), letter(5), left), Plan::Retire(_)));
    }

    #[test]
    fn a_message_does_not_go_round_for_ever() {
        let tired = Letter { replay: 3, ..letter(5) };
        assert_eq!(skipped(decide(&Replay::default(), tired.clone(), None)), Skipped::ReplayedTooOften);
        assert_eq!(sent(decide(&Replay { force: true, ..Replay::default() }, tired.clone(), None)).replay, 4);
        assert_eq!(sent(decide(&Replay { max_replays: 4, ..Replay::default() }, tired, None)).replay, 4);
    }

    #[test]
    fn what_died_on_its_way_begins_anew_as_its_upload() {
        let upload = heimdex_schemas::UploadId::new(&"acme".parse().unwrap(), "s", "e");
        let mut late = Letter { upload: Some(upload), ..letter(5) };
        late.origin.subject = "heimdex.chunks.created.bulk.acme".to_owned();
        let request = Replay { destination: Destination::Start, ..Replay::default() };
        let planned = sent(decide(&request, late.clone(), None));
        assert!(planned.starts_anew());
        assert_eq!(
            (planned.subject.as_str(), planned.msg_id),
            ("heimdex.asset.uploaded.bulk.acme", format!("{upload}-1"))
        );
        assert!(!sent(decide(&Replay::default(), late, None)).starts_anew());
        assert!(!sent(decide(&request, letter(5), None)).starts_anew(), "it died at the first stage");
    }

    #[test]
    fn cancelled_work_is_replayed_only_by_name() {
        let cancelled = || Letter { class: Some(FailureClass::Cancelled), ..letter(5) };
        assert_eq!(skipped(decide(&Replay::default(), cancelled(), None)), Skipped::Cancelled);
        let filter = Filter { classes: vec![FailureClass::Cancelled], ..Filter::default() };
        sent(decide(&Replay { filter, ..Replay::default() }, cancelled(), None));
    }

    #[test]
    fn destinations_stay_in_the_flow_and_in_the_org() {
        let to = |subject: &str| destination(&Destination::Subject(subject.to_owned()), &letter(5));
        assert!(to("heimdex.chunks.created.bulk.acme").is_some());
        assert!(to("heimdex.chunks.created.bulk.other").is_none(), "another org");
        assert!(to("heimdex.receipt.acme.x").is_none() && to("somewhere").is_none());
        let lane = destination(&Destination::Lane(Lane::Interactive), &letter(5));
        assert_eq!(lane.unwrap(), "heimdex.asset.uploaded.interactive.acme");
        let start = destination(&Destination::Start, &letter(5));
        assert_eq!(start.unwrap(), "heimdex.asset.uploaded.bulk.acme");
        let mut lost = letter(5);
        lost.origin.subject.clear();
        assert_eq!(skipped(decide(&Replay::default(), lost, None)), Skipped::NoDestination);
    }
}
