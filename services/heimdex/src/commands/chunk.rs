//! `heimdex chunk FILE`: how the chunker would cut what the extractor reads.

use std::sync::Arc;

use heimdex_chunker::{Fixed, ModelTokens, Report, Settings, TokenOffsets};
use heimdex_embedding::Model;
use heimdex_extractor::report::Report as Extracted;
use heimdex_schemas::Page;

use crate::cli::Chunk;
use crate::exit::{Failure, Outcome};
use crate::{models, output};

pub async fn run(command: Chunk) -> Outcome {
    if command.strategy != "fixed" {
        return Err(Failure::input(anyhow::anyhow!(
            "--strategy {:?} is unknown; there is \"fixed\"",
            command.strategy
        )));
    }
    let extracted = super::extract::report(&command.file).await?;
    let pages = pages(extracted, &command)?;
    let tokens = tokens(&Model::open(models::folder(&command.model.model).await?)?)?;
    let strategy = Fixed::new(&Settings::default(), tokens.window())?;
    let report = Report::new(&pages, &strategy, tokens.as_ref())?;
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
    let page = |page: heimdex_extractor::Page| Page { number: page.number, text: page.text, needs_ocr: page.needs_ocr };
    Ok(extracted.pages.into_iter().map(page).collect())
}

fn show(report: &Report) -> Outcome {
    for chunk in &report.chunks {
        let (n, total, [start, end]) = (chunk.ordinal + 1, chunk.total, chunk.span);
        output::text(format_args!(
            "--- {n}/{total}, {} tokens, pages {:?}, {start}..{end}",
            chunk.tokens, chunk.pages
        ))?;
        output::text(&chunk.text)?;
    }
    eprintln!("{} chunks of at most {} tokens of {}", report.chunks.len(), report.max_tokens, report.tokenizer);
    Ok(())
}
