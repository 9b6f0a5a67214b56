//! `heimdex dlq ls`.

use std::collections::VecDeque;
use std::pin::pin;

use chrono::Utc;
use futures::TryStreamExt as _;
use heimdex_bus::Letter;
use heimdex_redrive::group::class_name;
use heimdex_redrive::{Filter, Group, GroupBy, Groups, Redrive};
use heimdex_schemas::{FailureClass, StageName};
use serde_json::json;

use super::{age, failure, reader};
use crate::cli::DlqLs;
use crate::commands::search::shorten;
use crate::exit::{Failure, Outcome};
use crate::output;

/// Letters shown to people who give no limit.
const SHOWN: usize = 50;

pub async fn run(command: DlqLs) -> Outcome {
    let redrive = reader(&command.broker.nats).await?;
    let filter = command.letters.filter();
    match command.group_by {
        Some(by) => groups(&redrive, &filter, by, &command).await,
        None => letters(&redrive, &filter, &command).await,
    }
}

async fn groups(redrive: &Redrive, filter: &Filter, by: GroupBy, command: &DlqLs) -> Outcome {
    let mut groups = Groups::new(by, Utc::now());
    let mut total = 0_u64;
    let mut found = pin!(redrive.list(filter));
    while let Some(letter) = found.try_next().await.map_err(failure)? {
        groups.add(&letter);
        total += 1;
    }
    let mut groups = groups.finish();
    groups.truncate(command.limit.unwrap_or(usize::MAX));
    if command.broker.json {
        return output::json(&json!({"group_by": by, "groups": groups, "total": total}));
    }
    output::text(format_args!("{:>7}  {:16}  {:>8}  {:>8}  EXAMPLE", "COUNT", "GROUP", "OLDEST", "NEWEST"))?;
    groups.iter().try_for_each(|group| output::text(group_row(group)))?;
    eprintln!("{total} dead letters in {} groups", groups.len());
    Ok(())
}

fn group_row(group: &Group) -> String {
    let cause = cause(group.stage, group.class, &group.code);
    let message = shorten(&group.message);
    format!(
        "{:7}  {:16}  {:>8}  {:>8}  #{} {cause}: {message}",
        group.count,
        group.key,
        age(group.oldest),
        age(group.newest),
        group.example
    )
}

async fn letters(redrive: &Redrive, filter: &Filter, command: &DlqLs) -> Outcome {
    let limit = command.limit.unwrap_or(if command.broker.json { usize::MAX } else { SHOWN });
    let (letters, total) = newest(redrive, filter, limit).await?;
    if command.broker.json {
        return output::json(&json!({"letters": letters, "total": total}));
    }
    output::text(format_args!("{:>9}  {:>8}  {:9}  {:9}  {:16}  WHAT", "ID", "AGE", "STAGE", "CLASS", "FINGERPRINT"))?;
    letters.iter().try_for_each(|letter| output::text(row(letter)))?;
    let hidden = total.saturating_sub(letters.len() as u64);
    let note = if hidden > 0 { format!(", {hidden} older ones not shown (--limit)") } else { String::new() };
    eprintln!("{total} dead letters{note}");
    Ok(())
}

/// The newest `limit` letters, oldest first, and how many there are.
async fn newest(redrive: &Redrive, filter: &Filter, limit: usize) -> Result<(VecDeque<Letter>, u64), Failure> {
    let (mut kept, mut total) = (VecDeque::new(), 0);
    let mut found = pin!(redrive.list(filter));
    while let Some(letter) = found.try_next().await.map_err(failure)? {
        total += 1;
        kept.push_back(letter);
        if kept.len() > limit {
            kept.pop_front();
        }
    }
    Ok((kept, total))
}

fn row(letter: &Letter) -> String {
    let stage = letter.stage.map_or("?", StageName::as_str);
    let class = letter.class.map_or("?", class_name);
    let org = letter.org.as_ref().map_or("?", |org| org.as_str());
    let asset = letter.asset.as_ref().map_or("–", |asset| asset.as_str());
    let replays = if letter.replay > 0 { format!(" [replayed {}×]", letter.replay) } else { String::new() };
    format!(
        "{:9}  {:>8}  {stage:9}  {class:9}  {:16}  {org} {asset}: {} ({}){replays}",
        letter.sequence,
        age(letter.stored_at),
        letter.fingerprint,
        shorten(&letter.message),
        letter.code,
    )
}

/// `extractor rejected corrupt`.
pub(super) fn cause(stage: Option<StageName>, class: Option<FailureClass>, code: &str) -> String {
    format!("{} {} {code}", stage.map_or("?", StageName::as_str), class.map_or("?", class_name))
}
