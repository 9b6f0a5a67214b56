//! Many letters at one glance.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use heimdex_bus::Letter;
use heimdex_schemas::{FailureClass, Org, StageName};
use serde::Serialize;

use crate::RedriveError;

/// What letters of one group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// One cause.
    Fingerprint,
    Stage,
    Org,
    Class,
    /// How long they have been dead.
    Age,
}

impl FromStr for GroupBy {
    type Err = RedriveError;

    fn from_str(text: &str) -> Result<Self, RedriveError> {
        match text {
            "fingerprint" => Ok(Self::Fingerprint),
            "stage" => Ok(Self::Stage),
            "org" => Ok(Self::Org),
            "class" => Ok(Self::Class),
            "age" => Ok(Self::Age),
            other => Err(RedriveError::Request(format!(
                "unknown grouping {other:?}; known are fingerprint, stage, org, class, age"
            ))),
        }
    }
}

/// Letters that have something in common. The fields beside the counts are those of its newest letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    pub key: String,
    pub count: u64,
    pub oldest: DateTime<Utc>,
    pub newest: DateTime<Utc>,
    /// Most replays that one of them has behind it.
    pub replays: u32,
    /// Sequence of the newest.
    pub example: u64,
    pub stage: Option<StageName>,
    pub class: Option<FailureClass>,
    pub org: Option<Org>,
    pub code: String,
    pub message: String,
    pub fingerprint: String,
}

/// Groups under way.
#[derive(Debug)]
pub struct Groups {
    by: GroupBy,
    now: DateTime<Utc>,
    groups: BTreeMap<String, Group>,
}

impl Groups {
    /// Ages are counted up to `now`.
    #[must_use]
    pub const fn new(by: GroupBy, now: DateTime<Utc>) -> Self {
        Self { by, now, groups: BTreeMap::new() }
    }

    pub fn add(&mut self, letter: &Letter) {
        let key = self.key(letter);
        let group = self.groups.entry(key.clone()).or_insert_with(|| first(key, letter));
        group.count += 1;
        group.oldest = group.oldest.min(letter.stored_at);
        group.replays = group.replays.max(letter.replay);
        if letter.sequence >= group.example {
            *group = Group {
                count: group.count,
                oldest: group.oldest,
                replays: group.replays,
                ..first(group.key.clone(), letter)
            };
        }
    }

    /// The largest first; ages from young to old.
    #[must_use]
    pub fn finish(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        match self.by {
            GroupBy::Age => groups.sort_by_key(|group| std::cmp::Reverse(group.newest)),
            _ => groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key))),
        }
        groups
    }

    fn key(&self, letter: &Letter) -> String {
        let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        match self.by {
            GroupBy::Fingerprint => letter.fingerprint.clone(),
            GroupBy::Stage => or_unknown(letter.stage.map(|stage| stage.to_string())),
            GroupBy::Org => or_unknown(letter.org.as_ref().map(ToString::to_string)),
            GroupBy::Class => or_unknown(letter.class.map(|class| class_name(class).to_owned())),
            GroupBy::Age => age(self.now.signed_duration_since(letter.stored_at)).to_owned(),
        }
    }
}

/// As it stands in headers and JSON.
#[must_use]
pub const fn class_name(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Rejected => "rejected",
        FailureClass::Exhausted => "exhausted",
        FailureClass::Poison => "poison",
        FailureClass::Cancelled => "cancelled",
    }
}

/// A group of one, not counted yet.
fn first(key: String, letter: &Letter) -> Group {
    Group {
        key,
        count: 0,
        oldest: letter.stored_at,
        newest: letter.stored_at,
        replays: letter.replay,
        example: letter.sequence,
        stage: letter.stage,
        class: letter.class,
        org: letter.org.clone(),
        code: letter.code.clone(),
        message: letter.message.clone(),
        fingerprint: letter.fingerprint.clone(),
    }
}

fn age(age: TimeDelta) -> &'static str {
    match age {
        age if age < TimeDelta::hours(1) => "under an hour",
        age if age < TimeDelta::days(1) => "under a day",
        age if age < TimeDelta::days(7) => "under a week",
        age if age < TimeDelta::days(25) => "under 25 days",
        _ => "25 days and more",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;
    use crate::filter::tests::letter;

    fn grouped(by: GroupBy, letters: &[Letter]) -> Vec<(String, u64)> {
        let mut groups = Groups::new(by, DateTime::from_timestamp(90_000, 0).unwrap());
        letters.iter().for_each(|letter| groups.add(letter));
        groups.finish().into_iter().map(|group| (group.key, group.count)).collect()
    }

    #[test]
    fn letters_are_counted_by_what_they_share() {
        let other = Letter {
            fingerprint: "ff".to_owned(),
            stage: Some(StageName::Writer),
            class: None,
            org: "other".parse().ok(),
            ..letter(89_000)
        };
        let letters = [letter(1), letter(2), other];
        let pairs = |pairs: &[(&str, u64)]| pairs.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(grouped(GroupBy::Fingerprint, &letters), pairs(&[("00112233445566ff", 2), ("ff", 1)]));
        assert_eq!(grouped(GroupBy::Stage, &letters), pairs(&[("extractor", 2), ("writer", 1)]));
        assert_eq!(grouped(GroupBy::Org, &letters), pairs(&[("acme", 2), ("other", 1)]));
        assert_eq!(grouped(GroupBy::Class, &letters), pairs(&[("rejected", 2), ("unknown", 1)]));
        assert_eq!(grouped(GroupBy::Age, &letters), pairs(&[("under an hour", 1), ("under a week", 2)]));
    }

    #[test]
    fn a_group_shows_its_newest_letter_and_its_span() {
        let mut groups = Groups::new(GroupBy::Org, Utc::now());
        for letter in [letter(3), Letter { replay: 2, ..letter(1) }, Letter { code: "new".to_owned(), ..letter(9) }] {
            groups.add(&letter);
        }
        let group = groups.finish().remove(0);
        assert_eq!((group.count, group.example, group.code.as_str(), group.replays), (3, 9, "new", 2));
        assert_eq!((group.oldest.timestamp(), group.newest.timestamp()), (1, 9));
    }

    #[test]
    fn groupings_have_names() {
        assert_eq!("age".parse::<GroupBy>().unwrap(), GroupBy::Age);
        assert!("size".parse::<GroupBy>().is_err());
    }
}
