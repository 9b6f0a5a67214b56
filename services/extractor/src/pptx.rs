//! Presentations (PresentationML, ECMA-376 part 1, section 19): a page for each slide, its title as heading, with the
//! speaker's notes and comments.

mod paragraph;
mod slide;

use crate::compose::PageBuilder;
use crate::docx::embedded;
use crate::docx::pieces::{Piece, compose};
use crate::drawing;
use crate::package::{Package, Relationship};
use crate::xml::{Node, Reader};
use crate::{BlockKind, Document, Failure, Format, Limits, Page, Warning, text};

use slide::{Slide, SlideReader};

/// Reads a presentation of Office Open XML, transitional or strict, template or not.
///
/// # Errors
/// `corrupt` when there is no readable presentation part, `archive_bomb` and `too_large` over the limits, `empty` when no
/// slide has text, `encrypted` for encrypted entries.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
    let mut package = Package::open(bytes, limits)?;
    let main = package.main_part("ppt/presentation.xml")?;
    let slides = slide_parts(&mut package, &main, limits)?;
    let mut document = Document::single(Format::Pptx, String::new());
    document.pages.clear();
    let mut bytes_left = limits.max_text_bytes;
    for (number, part) in (1..).zip(slides) {
        let Some(text) = package.xml(&part)? else {
            document.warnings.push(Warning::PageUnreadable { number });
            document.pages.push(Page::plain(number, ""));
            continue;
        };
        let relationships = package.relationships(&part)?;
        let drawings = drawing::texts(&mut package, &relationships, limits)?;
        let slide = SlideReader::new(drawings, limits).read(&text)?;
        let notes = notes(&mut package, &relationships, limits)?;
        if slide.damaged {
            document.warnings.push(Warning::PageUnreadable { number });
        }
        let page = page(number, slide, notes);
        bytes_left = bytes_left
            .checked_sub(page.text.len() as u64)
            .ok_or_else(|| Failure::too_large("text bytes", limits.max_text_bytes))?;
        document.pages.push(page);
    }
    document.metadata = package.properties()?;
    document.title = document.metadata.remove("title");
    document.attachments = embedded(&package, "ppt/embeddings/");
    text::check_text(&document, limits)?;
    Ok(document)
}

/// The parts of the slides in the order of the presentation.
fn slide_parts(package: &mut Package<'_>, main: &str, limits: &Limits) -> Result<Vec<String>, Failure> {
    let presentation = package.xml(main)?.ok_or_else(|| Failure::corrupt("there is no presentation part"))?;
    let relationships = package.relationships(main)?;
    let mut parts = Vec::new();
    let mut reader = Reader::new(&presentation, limits);
    while let Some(node) = reader.next()? {
        let Node::Open(element) = node else { continue };
        if element.name() != "sldId" {
            continue;
        }
        let id = element.prefixed("id").unwrap_or_default();
        let target = relationships.iter().find(|relationship| relationship.id == *id);
        parts.extend(target.filter(|target| !target.external).map(|target| target.target.clone()));
        if parts.len() as u64 > limits.max_pages {
            return Err(Failure::too_large("pages", limits.max_pages));
        }
    }
    Ok(parts)
}

/// The speaker's notes and the comments of a slide.
fn notes(package: &mut Package<'_>, relationships: &[Relationship], limits: &Limits) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    for relationship in relationships.iter().filter(|relationship| !relationship.external) {
        match relationship.kind.as_str() {
            "notesSlide" => {
                if let Some(text) = package.xml(&relationship.target)? {
                    notes.extend(SlideReader::new(Default::default(), limits).read(&text)?.notes());
                }
            }
            "comments" => {
                if let Some(text) = package.xml(&relationship.target)? {
                    comments(&mut Reader::new(&text, limits), &mut notes)?;
                }
            }
            _ => {}
        }
    }
    Ok(notes)
}

/// The texts of comments: `p:text`, or in threads the paragraphs of a body; a damaged part gives those before the damage.
fn comments(reader: &mut Reader<'_>, found: &mut Vec<String>) -> Result<(), Failure> {
    loop {
        let node = match reader.next() {
            Err(Failure::Corrupt { .. }) | Ok(None) => return Ok(()),
            other => other?,
        };
        if let Some(Node::Open(element)) = node
            && matches!(element.name(), "text" | "t")
        {
            found.extend(reader.text().ok());
        }
    }
}

fn page(number: u32, slide: Slide, notes: Vec<String>) -> Page {
    let mut builder = PageBuilder::new();
    builder.push(BlockKind::Heading { level: 1 }, &slide.title);
    compose(&mut builder, slide.pieces);
    compose(&mut builder, notes.into_iter().map(Piece::note).collect());
    let label = if slide.hidden { format!("{number} (hidden)") } else { number.to_string() };
    Page { label: Some(label), furniture: slide.furniture, ..builder.finish(number) }
}

#[cfg(test)]
mod tests;
