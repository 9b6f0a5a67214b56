//! `heimdex dlq show SEQ`.

use heimdex_redrive::history::What;
use heimdex_redrive::{Decoded, Moment, Shown};
use serde_json::Value;

use super::list::cause;
use super::{failure, reader};
use crate::cli::DlqShow;
use crate::exit::Outcome;
use crate::output;

/// Lines of a message's data shown to people.
const DATA_LINES: usize = 60;
/// Longest line of it.
const DATA_COLUMNS: usize = 200;

pub async fn run(command: DlqShow) -> Outcome {
    let shown = reader(&command.broker.nats).await?.show(command.sequence).await.map_err(failure)?;
    if command.broker.json { output::json(&shown) } else { output::text(describe(&shown)) }
}

fn describe(shown: &Shown) -> String {
    let letter = &shown.letter;
    let mut lines = vec![
        format!("dead letter #{}: {}", letter.sequence, cause(letter.stage, letter.class, &letter.code)),
        format!("  {}", shown.message.trim_end().replace('\n', "\n  ")),
    ];
    if shown.is_cut {
        lines.push("  (the rest of it was not kept)".to_owned());
    }
    let origin = &letter.origin;
    let or_none = |text: Option<&str>| text.unwrap_or("–").to_owned();
    let facts = [
        ("org", or_none(letter.org.as_ref().map(|org| org.as_str()))),
        ("asset", or_none(letter.asset.as_ref().map(|asset| asset.as_str()))),
        ("job", letter.upload.map_or_else(|| "–".to_owned(), |upload| upload.to_string())),
        ("message", format!("{} #{} of {}", origin.stream, origin.sequence, origin.subject)),
        ("msg id", or_none(origin.msg_id.as_deref())),
        ("attempts", format!("{}, delivered {} times", letter.attempts, letter.deliveries)),
        ("replays", letter.replay.to_string()),
        ("fingerprint", letter.fingerprint.clone()),
        ("build", letter.build.clone()),
        (
            "model",
            [letter.model.as_deref(), letter.space.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", "),
        ),
        ("trace", or_none(letter.trace.as_deref())),
        ("size", format!("{} bytes", letter.size)),
    ];
    lines.extend(
        facts.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name:>12}  {value}")),
    );
    lines.push("\nhistory".to_owned());
    lines.extend(shown.timeline.iter().map(moment));
    lines.push("\nmessage".to_owned());
    lines.push(payload(&shown.payload));
    lines.join("\n")
}

fn moment(moment: &Moment) -> String {
    let at = moment.at.format("%Y-%m-%d %H:%M:%S");
    let what = match &moment.what {
        What::FirstFailed => "failed for the first time".to_owned(),
        What::Died { letter, stage, code, .. } => {
            format!("died as {letter} in {}: {code}", stage.map_or("?", heimdex_schemas::StageName::as_str))
        }
        What::Replayed { run, by, subject, is_confirmed, .. } => {
            let doubt = if *is_confirmed { "" } else { " (not confirmed: `replay` finishes it)" };
            format!("replayed to {subject} by {by}, run {run}{doubt}")
        }
    };
    format!("  {at}  {what}")
}

fn payload(payload: &Decoded) -> String {
    match payload {
        Decoded::Event { ty, id, source, dataref, data, .. } => {
            let head = format!("  {ty}  id {id}  source {source}");
            match dataref {
                Some(dataref) => format!("{head}\n  its data is the blob {dataref}"),
                None => format!("{head}\n{}", json(data)),
            }
        }
        Decoded::Json { data } => json(data),
        Decoded::Text { text, is_cut } => format!("{}{}", cut(text), if *is_cut { "\n  …" } else { "" }),
        Decoded::Bytes { base64, is_cut } => format!("  base64 {base64}{}", if *is_cut { "…" } else { "" }),
        Decoded::Missing { reason } => format!("  {reason}"),
    }
}

fn json(data: &Value) -> String {
    cut(&serde_json::to_string_pretty(data).unwrap_or_else(|_| data.to_string()))
}

/// Indented, without what no terminal has room for.
fn cut(text: &str) -> String {
    let count = text.lines().count();
    let line = |line: &str| match line.char_indices().nth(DATA_COLUMNS) {
        Some((end, _)) => format!("  {}…", line.get(..end).unwrap_or(line)),
        None => format!("  {line}"),
    };
    let mut lines: Vec<String> = text.lines().take(DATA_LINES).map(line).collect();
    if count > DATA_LINES {
        lines.push(format!("  … {} more lines (--json shows all)", count - DATA_LINES));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_data_is_cut_for_people() {
        let text = "x\n".repeat(DATA_LINES + 5) + &"y".repeat(9);
        let shown = cut(&text);
        assert_eq!(shown.lines().count(), DATA_LINES + 1);
        assert!(shown.ends_with("… 6 more lines (--json shows all)"));
        assert_eq!(cut(&"ä".repeat(DATA_COLUMNS + 1)).chars().count(), DATA_COLUMNS + 3);
    }
}
