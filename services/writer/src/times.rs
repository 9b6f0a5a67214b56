//! From the trails of an upload's parts to the times of each stage.

use std::collections::BTreeMap;

use heimdex_schemas::StageTime;

/// One entry a stage, in the order of the pipeline: its earliest start, its latest end, and its messages. A message shows in
/// the trail of every part that came of it, and is known by when it was queued.
pub(crate) fn by_stage<'a>(trails: impl IntoIterator<Item = &'a StageTime>) -> Vec<StageTime> {
    let mut messages: BTreeMap<_, StageTime> = BTreeMap::new();
    for time in trails {
        let message = messages.entry((time.stage, time.queued_at)).or_insert_with(|| time.clone());
        span(message, time);
        message.messages = message.messages.max(time.messages);
    }
    let mut stages: BTreeMap<_, StageTime> = BTreeMap::new();
    for time in messages.into_values() {
        let stage = stages.entry(time.stage).or_insert_with(|| StageTime { messages: 0, ..time.clone() });
        span(stage, &time);
        stage.messages = stage.messages.saturating_add(time.messages);
    }
    stages.into_values().collect()
}

fn span(whole: &mut StageTime, part: &StageTime) {
    whole.queued_at = whole.queued_at.min(part.queued_at);
    whole.started_at = whole.started_at.min(part.started_at);
    whole.finished_at = whole.finished_at.max(part.finished_at);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use chrono::{DateTime, Utc};
    use heimdex_schemas::StageName;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn time(stage: StageName, [queued, started, finished]: [i64; 3], messages: u32) -> StageTime {
        StageTime { stage, queued_at: at(queued), started_at: at(started), finished_at: at(finished), messages }
    }

    #[test]
    fn a_message_that_many_parts_passed_counts_once() {
        let extractor = time(StageName::Extractor, [0, 1, 2], 1);
        let embedders = [time(StageName::Embedder, [4, 5, 9], 1), time(StageName::Embedder, [5, 6, 7], 1)];
        let trails = [[extractor.clone(), embedders[0].clone()], [extractor.clone(), embedders[1].clone()]];
        let stages = by_stage(trails.iter().flatten());
        assert_eq!(stages, [extractor, time(StageName::Embedder, [4, 5, 9], 2)]);
    }
}
