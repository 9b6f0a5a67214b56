//! `heimdex search QUERY`.

use serde_json::{Value, json};

use crate::cli::Search;
use crate::exit::Outcome;
use crate::{connect, output};

/// Characters of a hit's text that are shown.
const SHOWN: usize = 240;

pub async fn run(command: Search) -> Outcome {
    let bus = connect::bus(&command.connection.nats).await?;
    let answer = connect::search(&bus, &command.connection.org, &request(&command)).await?;
    if command.json { output::json(&answer) } else { show(&answer, command.explain) }
}

fn request(command: &Search) -> Value {
    let mut request = json!({
        "query": command.query, "limit": command.limit, "mode": command.mode, "explain": command.explain,
    });
    if !command.asset_ids.is_empty() {
        request["asset_ids"] = json!(command.asset_ids);
    }
    if let Some(fusion) = &command.fusion {
        request["fusion"] = json!(fusion);
    }
    if let Some(min_seq) = command.min_seq {
        request["min_seq"] = json!(min_seq);
    }
    request
}

fn show(answer: &Value, explain: bool) -> Outcome {
    for (rank, hit) in answer["hits"].as_array().into_iter().flatten().enumerate() {
        let place = hit["page"].as_u64().map(|page| format!(", page {page}")).unwrap_or_default();
        output::text(format_args!("{:2}. {} {}{place}", rank + 1, score(hit), text(hit, "asset_id")))?;
        output::text(format_args!("    {}", shorten(text(hit, "text"))))?;
        if explain {
            output::text(format_args!("    {}", hit["explain"]))?;
        }
    }
    let degraded = answer["degraded"].as_array().filter(|flags| !flags.is_empty());
    let note = degraded.map(|flags| format!(", degraded: {}", json!(flags))).unwrap_or_default();
    eprintln!("{} hits in {} ms{note}", answer["hits"].as_array().map_or(0, Vec::len), answer["took_ms"]);
    Ok(())
}

fn score(hit: &Value) -> String {
    format!("{:.4}", hit["score"].as_f64().unwrap_or_default())
}

fn text<'a>(hit: &'a Value, field: &str) -> &'a str {
    hit[field].as_str().unwrap_or_default()
}

/// One line, cut at a character boundary.
#[must_use]
pub fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(&line)),
        None => line,
    }
}
