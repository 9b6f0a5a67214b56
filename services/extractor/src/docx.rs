//! Word documents (WordprocessingML, ECMA-376 part 1, section 17): the final text as it is displayed.
//!
//! [`walk`] goes through the XML of a part once and makes pieces of it, which become the blocks of one page. What it
//! needs to know beforehand is read first: styles, numbering, notes. Headers and footers are kept as furniture.

mod equations;
mod fields;
mod format;
mod notes;
pub(crate) mod number_format;
mod numbering;
pub(crate) mod pieces;
mod story;
mod style_names;
mod styles;
pub(crate) mod symbols;
pub(crate) mod table;
mod table_format;
mod walk;

use crate::compose::PageBuilder;
use crate::drawing;
use crate::package::{Package, Relationship};
use crate::{Attachment, BlockKind, Document, Failure, Format, Limits, Page, Warning, text};

use notes::NoteKind;
use numbering::Numbering;
use pieces::Piece;
use styles::Styles;
use walk::{Shared, Walk, Walked};

/// Reads a document of Office Open XML, transitional or strict, template or not.
///
/// # Errors
/// `corrupt` when there is no readable main part, `archive_bomb` and `too_large` over the limits, `empty` when there is
/// no text, `encrypted` for encrypted entries.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
    let mut package = Package::open(bytes, limits)?;
    let main = package.main_part("word/document.xml")?;
    let relationships = package.relationships(&main)?;
    let mut shared = read_shared(&mut package, &relationships, limits)?;
    let body = package.xml(&main)?.ok_or_else(|| Failure::corrupt("there is no main document part"))?;
    let Walked { mut pieces, title, damage } = Walk::story(&body, &mut shared, limits)?;
    drop(body);
    pieces.extend(shared.notes.comments_left().into_iter().map(Piece::note));
    let mut page = PageBuilder::new();
    pieces::compose(&mut page, pieces);
    let mut page = page.finish(1);
    page.furniture = furniture(&mut package, &relationships, &mut shared, limits)?;
    if page.text.is_empty() {
        page = only_furniture(page);
    }
    if let Some(damage) = damage.clone().filter(|_| page.text.is_empty()) {
        return Err(damage);
    }
    let mut document = Document::single(Format::Docx, String::new());
    document.pages = vec![page];
    document.warnings.extend(damage.map(|_| Warning::Truncated));
    document.metadata = package.properties()?;
    document.title = document.metadata.remove("title").or(title);
    document.attachments = embedded(&package, "word/embeddings/");
    text::check_text(&document, limits)?;
    Ok(document)
}

fn read_shared(package: &mut Package<'_>, relationships: &[Relationship], limits: &Limits) -> Result<Shared, Failure> {
    let mut shared = Shared::default();
    if let Some(text) = related(package, relationships, "styles")? {
        shared.rules.styles = lenient(Styles::read(&text, limits))?;
    }
    if let Some(text) = related(package, relationships, "numbering")? {
        shared.rules.numbering = lenient(Numbering::read(&text, limits))?;
    }
    shared.drawings = drawing::texts(package, relationships, limits)?;
    for (kind, _, relation) in NoteKind::ALL {
        if let Some(text) = related(package, relationships, relation)? {
            Walk::notes(&text, kind, &mut shared, limits)?;
        }
    }
    Ok(shared)
}

/// The first part related as `kind`.
fn related(package: &mut Package<'_>, relationships: &[Relationship], kind: &str) -> Result<Option<String>, Failure> {
    match relationships.iter().find(|relationship| relationship.kind == kind && !relationship.external) {
        Some(relationship) => package.xml(&relationship.target),
        None => Ok(None),
    }
}

/// The text is worth having without its styles and numbers.
fn lenient<T: Default>(result: Result<T, Failure>) -> Result<T, Failure> {
    match result {
        Err(Failure::Corrupt { .. }) => Ok(T::default()),
        other => other,
    }
}

/// The texts of headers and footers, each once.
fn furniture(
    package: &mut Package<'_>,
    relationships: &[Relationship],
    shared: &mut Shared,
    limits: &Limits,
) -> Result<Vec<String>, Failure> {
    let mut found: Vec<String> = Vec::new();
    let running = |relationship: &&Relationship| matches!(relationship.kind.as_str(), "header" | "footer");
    for relationship in relationships.iter().filter(running) {
        let Some(part) = package.xml(&relationship.target)? else { continue };
        let walked = Walk::story(&part, shared, limits)?;
        let mut page = PageBuilder::new();
        page.push(BlockKind::Paragraph, &pieces::flat(&walked.pieces));
        let text = page.finish(1).text;
        if !text.is_empty() && !found.contains(&text) {
            found.push(text);
        }
    }
    Ok(found)
}

/// A letterhead without a letter: the furniture is all that there is.
fn only_furniture(page: Page) -> Page {
    let mut builder = PageBuilder::new();
    page.furniture.iter().for_each(|text| builder.push(BlockKind::Paragraph, text));
    builder.finish(page.number)
}

/// The files in `folder` of the package.
pub(crate) fn embedded(package: &Package<'_>, folder: &str) -> Vec<Attachment> {
    let names = package.entries_in(folder).into_iter().filter_map(|name| name.strip_prefix(folder));
    let files = names.filter(|name| !name.is_empty() && !name.starts_with("_rels/"));
    files.map(|name| Attachment { name: name.to_owned(), bytes: None }).collect()
}

/// Whether an alternative text describes something: words, not the name of the file that was inserted.
pub(crate) fn is_description(text: &str) -> bool {
    const IMAGES: [&str; 12] =
        [".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".svg", ".emf", ".wmf", ".webp", ".pdf"];
    let lower = text.trim().to_lowercase();
    let file =
        IMAGES.iter().any(|ending| lower.ends_with(ending)) || lower.starts_with("http") || lower.contains(":\\");
    !file && lower.chars().any(char::is_alphabetic)
}

#[cfg(test)]
mod tests;
