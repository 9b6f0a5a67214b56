//! `heimdex chunk FILE`: how the chunker would cut what the extractor reads.

use std::sync::Arc;

use heimdex_chunker::{DocumentText, ModelTokens, Report, Settings, TokenOffsets};
use heimdex_embedding::Model;
use heimdex_extractor::report::Report as Extracted;
use heimdex_schemas::Page;

use crate::cli::Chunk;
use crate::exit::{Failure, Outcome};
use crate::{models, output};

pub async fn run(command: Chunk) -> Outcome {
    let mut settings = Settings::from_env().map_err(Failure::input)?;
    settings.strategy = command.strategy.unwrap_or(settings.strategy);
    let extracted = super::extract::report(&command.file).await?;
    let language = extracted.language.clone();
    let document = DocumentText::new(&pages(extracted, &command)?, language.as_deref());
    let tokens = tokens(&Model::open(models::folder(&command.model.model).await?)?)?;
    let strategy = settings.strategy(tokens.window()).map_err(Failure::input)?;
    let report = Report::new(&document, strategy.as_ref(), tokens.as_ref(), settings.parent_chunks)?;
    if command.json { output::json(&report) } else { show(&report) }
}

/// The model's own tokenizer, as the chunker counts with it.
pub fn tokens(model: &Model) -> Result<Arc<dyn TokenOffsets>, Failure> {
    Ok(Arc::new(ModelTokens::new(model.name(), model.tokenizer()?, &model.manifest().document_prefix)?))
}

fn pages(extracted: Extracted, command: &Chunk) -> Result<Vec<Page>, Failure> {
    if let Some(error) = extracted.error {
        let message = anyhow::anyhow!("{}: {} ({})", command.file.display(), error.message, error.code);
        return Err(Failure::input(message));
    }
    Ok(extracted.pages)
}

fn show(report: &Report) -> Outcome {
    for chunk in &report.chunks {
        let (n, total, [start, end]) = (chunk.ordinal + 1, chunk.total, chunk.span);
        let path = chunk.heading_path.iter().flat_map(|title| [", ", title]).collect::<String>();
        output::text(format_args!(
            "--- {n}/{total}, {} tokens, pages {:?}, {start}..{end}{path}",
            chunk.tokens, chunk.pages
        ))?;
        if !chunk.prefix.is_empty() {
            output::text(format_args!("[{}]", chunk.prefix))?;
        }
        output::text(&chunk.text)?;
    }
    eprintln!(
        "{}: {} chunks of at most {} tokens of {}",
        report.strategy,
        report.chunks.len(),
        report.max_tokens,
        report.tokenizer
    );
    Ok(())
}
