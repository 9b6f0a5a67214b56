//! Texts of charts and diagrams, which lie in parts of their own.

use std::collections::{HashMap, HashSet};

use crate::package::{Package, Relationship};
use crate::xml::{Node, Reader};
use crate::{Failure, Limits};

/// The texts of the charts and diagrams among `relationships`, by relationship id; a line for each text.
///
/// # Errors
/// As [`Package::xml`], and what is over a limit. Damaged parts give the text before the damage.
pub fn texts(
    package: &mut Package<'_>,
    relationships: &[Relationship],
    limits: &Limits,
) -> Result<HashMap<String, String>, Failure> {
    let mut found = HashMap::new();
    for relationship in relationships.iter().filter(|relationship| !relationship.external) {
        let read = match relationship.kind.as_str() {
            "chart" => chart,
            "diagramData" => diagram,
            _ => continue,
        };
        if let Some(part) = package.xml(&relationship.target)? {
            let mut lines = Lines::default();
            match read(&mut Reader::new(&part, limits), &mut lines) {
                Ok(()) | Err(Failure::Corrupt { .. }) => {}
                Err(failure) => return Err(failure),
            }
            found.insert(relationship.id.clone(), lines.lines.join("\n"));
        }
    }
    Ok(found)
}

/// Titles, and the cached names and values of the series (DrawingML charts, ECMA-376 part 1, section 21.2).
fn chart(reader: &mut Reader<'_>, lines: &mut Lines) -> Result<(), Failure> {
    let mut values: Vec<String> = Vec::new();
    let mut paragraph = String::new();
    while let Some(node) = reader.next()? {
        match node {
            Node::Open(element) if element.name() == "t" => paragraph.push_str(&reader.text()?),
            Node::Open(element) if element.name() == "v" => values.push(reader.text()?.trim().to_owned()),
            Node::Close(closed) => match closed.name() {
                "p" => lines.push(std::mem::take(&mut paragraph)),
                "strCache" | "numCache" | "strLit" | "numLit" => lines.push(std::mem::take(&mut values).join(", ")),
                _ => {}
            },
            _ => {}
        }
    }
    Ok(())
}

/// The paragraphs of the points of a diagram (SmartArt, ECMA-376 part 1, section 21.4). Their `dgm:t` holds paragraphs,
/// whose `a:t` holds text.
fn diagram(reader: &mut Reader<'_>, lines: &mut Lines) -> Result<(), Failure> {
    let mut in_text = false;
    let mut paragraph = String::new();
    while let Some(node) = reader.next()? {
        match node {
            Node::Open(element) => in_text = element.name() == "t",
            Node::Text(text) if in_text => paragraph.push_str(&text),
            Node::Text(_) => {}
            Node::Close(closed) => {
                in_text = false;
                if closed.name() == "p" {
                    lines.push(std::mem::take(&mut paragraph));
                }
            }
        }
    }
    Ok(())
}

/// The `mc:AlternateContent` elements that are open (ECMA-376 part 3, section 7.6): the first choice is read, and what follows
/// it only where that had no text.
#[derive(Debug, Default)]
pub(crate) struct Alternatives {
    /// Whether one was read, and how many texts there were before.
    open: Vec<(bool, u64)>,
}

impl Alternatives {
    /// An `mc:AlternateContent` begins after so many texts.
    pub fn open(&mut self, texts: u64) {
        self.open.push((false, texts));
    }

    /// Whether the next choice or fallback is to be read, when so many texts have come out.
    pub fn wanted(&mut self, texts: u64) -> bool {
        let Some((read, before)) = self.open.last_mut() else { return true };
        let wanted = !*read || texts == *before;
        *read = true;
        wanted
    }

    /// It ends.
    pub fn close(&mut self) {
        self.open.pop();
    }
}

/// Lines in their order; names of categories are repeated for each series, and once is enough.
#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    seen: HashSet<String>,
}

impl Lines {
    fn push(&mut self, line: String) {
        if !line.trim().is_empty() && self.seen.insert(line.clone()) {
            self.lines.push(line);
        }
    }
}
