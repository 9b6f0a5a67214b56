//! `heimdex bench embed`: a process holds one runtime library, so each provider is measured in a child of its own; and
//! `heimdex bench extract`.

mod extract;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use heimdex_embedding::bench::{self, Report};
use heimdex_schemas::ModelName;
use tokio::process::Command;

use crate::cli::{Bench, ModelOptions};
use crate::exit::{Failure, Outcome};
use crate::{models, output};

/// Texts of the generated list, and the word counts they cycle through.
const GENERATED_TEXTS: usize = 512;
const GENERATED_WORDS: [usize; 6] = [8, 24, 48, 96, 140, 160];

pub async fn run(command: Bench) -> Outcome {
    let (provider, model, threads, sessions, batch_tokens, texts, json) = match command {
        Bench::Embed { provider, model, threads, sessions, batch_tokens, texts, json } => {
            (provider, model, threads, sessions, batch_tokens, texts, json)
        }
        Bench::Extract { paths, rounds, json } => return extract::run(paths, rounds, json).await,
    };
    let reports = match provider.as_slice() {
        [one] => {
            let options = ModelOptions { model, provider: one.clone(), threads, sessions };
            vec![measure(&options, batch_tokens, texts.as_deref()).await?]
        }
        many => {
            in_children(
                many,
                &model,
                &arguments([("--threads", threads), ("--sessions", sessions), ("--batch-tokens", batch_tokens)], texts),
            )
            .await?
        }
    };
    match (json, reports.as_slice()) {
        (true, [one]) => output::json(one),
        (true, many) => output::json(&many),
        (false, many) => many.iter().try_for_each(show),
    }
}

fn arguments(numbers: [(&str, Option<usize>); 3], texts: Option<PathBuf>) -> Vec<String> {
    let mut arguments: Vec<String> =
        numbers.into_iter().filter_map(|(flag, n)| n.map(|n| format!("{flag}={n}"))).collect();
    arguments.extend(texts.map(|path| format!("--texts={}", path.display())));
    arguments
}

async fn in_children(providers: &[String], model: &ModelName, arguments: &[String]) -> Result<Vec<Report>, Failure> {
    let mut reports = Vec::new();
    for provider in providers {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "embed", "--json", "--provider", provider, "--model", model.as_str()]).args(arguments);
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await?;
        if !output.status.success() {
            return Err(anyhow::anyhow!("measuring {provider} ended with {}", output.status).into());
        }
        reports.push(serde_json::from_slice(&output.stdout)?);
    }
    Ok(reports)
}

async fn measure(options: &ModelOptions, batch_tokens: Option<usize>, texts: Option<&Path>) -> Result<Report, Failure> {
    let texts = match texts {
        Some(path) => read_lines(path)?,
        None => generated(),
    };
    let embedder = models::open_with(options, batch_tokens).await?;
    Ok(bench::run(&embedder, &texts).await?)
}

fn read_lines(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::input(anyhow::anyhow!("{}: {e}", path.display())))?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}

/// Plain words in a fixed pseudo-random order (a linear congruential generator, constants of Numerical Recipes), of the
/// lengths that chunks and short paragraphs have.
fn generated() -> Vec<String> {
    let words = include_str!("../../../../samples/en/garden-rules.txt").split_whitespace().collect::<Vec<_>>();
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        words.get(state as usize / 65_536 % words.len().max(1)).copied().unwrap_or_default()
    };
    let lengths = GENERATED_WORDS.iter().cycle().take(GENERATED_TEXTS);
    lengths.map(|count| (0..*count).map(|_| next()).collect::<Vec<_>>().join(" ")).collect()
}

fn show(report: &Report) -> Outcome {
    let cosine = report.cosine_min.map_or_else(|| "no reference".to_owned(), |cosine| format!("cosine {cosine:.6}"));
    output::text(format_args!(
        "{:24} {:9} {:5} {} threads in {} sessions, batches of {} tokens: {:9.0} tokens/s, {:7.1} texts/s, {cosine}",
        report.model,
        report.provider,
        report.precision,
        report.threads,
        report.sessions,
        report.batch_tokens,
        report.tokens_per_s,
        report.sequences_per_s,
    ))
}
