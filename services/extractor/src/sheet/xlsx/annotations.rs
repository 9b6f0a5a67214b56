//! What lies beside the cells of a sheet: declared tables, comments and text boxes.

use std::collections::HashMap;

use super::super::grid::{Declared, Grid};
use super::super::strings::rich_text;
use super::worksheet::area;
use crate::package::{Package, Relationship};
use crate::xml::{Node, Reader};
use crate::{Failure, Limits};

/// Display names of the authors of threaded comments, by id.
pub(in crate::sheet) type Persons = HashMap<String, String>;

/// How the author of a comment that has a thread beside it is named ([MS-XLSX] 2.1.18: `tc=` and the thread's id).
const THREAD_MARK: &str = "tc=";

/// Reads what `relationship` refers to, if it is one of these. A part that is missing or broken has nothing.
pub(in crate::sheet) fn read(
    package: &mut Package<'_>,
    relationship: &Relationship,
    persons: &Persons,
    grid: &mut Grid,
    limits: &Limits,
) -> Result<(), Failure> {
    let kind = relationship.kind.as_str();
    if !matches!(kind, "table" | "comments" | "threadedComment" | "drawing") {
        return Ok(());
    }
    let done = package.xml(&relationship.target).and_then(|text| {
        let mut reader = Reader::new(text.as_deref().unwrap_or_default(), limits);
        match kind {
            "table" => table(&mut reader, grid),
            "comments" => comments(&mut reader, grid),
            "threadedComment" => threads(&mut reader, persons, grid),
            _ => text_boxes(&mut reader, grid),
        }
    });
    match done {
        Err(Failure::Corrupt { .. }) => Ok(()),
        other => other,
    }
}

/// Authors of threaded comments ([MS-XLSX] 2.6.205).
pub(super) fn persons(xml: &str, limits: &Limits) -> Result<Persons, Failure> {
    let mut persons = Persons::new();
    let mut reader = Reader::new(xml, limits);
    while let Some(node) = reader.next()? {
        if let Node::Open(element) = node
            && let (Some(id), Some(name)) = (element.attribute("id"), element.attribute("displayName"))
        {
            persons.insert(id.into_owned(), name.into_owned());
        }
    }
    Ok(persons)
}

fn table(reader: &mut Reader<'_>, grid: &mut Grid) -> Result<(), Failure> {
    while let Some(node) = reader.next()? {
        if let Node::Open(element) = node
            && element.name() == "table"
        {
            let header_rows = element.attribute("headerRowCount").and_then(|rows| rows.parse().ok()).unwrap_or(1);
            area(&element).into_iter().for_each(|area| grid.declare(Declared { area, header_rows }));
        }
    }
    Ok(())
}

fn comments(reader: &mut Reader<'_>, grid: &mut Grid) -> Result<(), Failure> {
    let mut authors = Vec::new();
    let mut author = String::new();
    while let Some(node) = reader.next()? {
        let Node::Open(element) = node else { continue };
        match element.name() {
            "author" => authors.push(reader.text()?),
            "comment" => {
                let number = element.attribute("authorId").and_then(|id| id.parse::<usize>().ok());
                author = number.and_then(|number| authors.get(number)).cloned().unwrap_or_default();
            }
            "text" => {
                let mut text = String::new();
                rich_text(reader, &mut text)?;
                if !author.starts_with(THREAD_MARK) {
                    grid.comment(&author, &text)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn threads(reader: &mut Reader<'_>, persons: &Persons, grid: &mut Grid) -> Result<(), Failure> {
    let mut author = String::new();
    while let Some(node) = reader.next()? {
        let Node::Open(element) = node else { continue };
        match element.name() {
            "threadedComment" => {
                let person = element.attribute("personId").and_then(|id| persons.get(&*id));
                author = person.cloned().unwrap_or_default();
            }
            "text" => grid.comment(&author, &reader.text()?)?,
            _ => {}
        }
    }
    Ok(())
}

/// Texts of shapes (ECMA-376 part 1, section 20.5): a note for each, its paragraphs as lines.
fn text_boxes(reader: &mut Reader<'_>, grid: &mut Grid) -> Result<(), Failure> {
    let mut text = String::new();
    while let Some(node) = reader.next()? {
        match node {
            Node::Open(element) if element.name() == "t" => text.push_str(&reader.text()?),
            Node::Close(closed) if closed.name() == "p" => text.push('\n'),
            Node::Close(closed) if matches!(closed.name(), "txBody" | "sp") => {
                grid.comment("", &std::mem::take(&mut text))?;
            }
            _ => {}
        }
    }
    Ok(())
}
