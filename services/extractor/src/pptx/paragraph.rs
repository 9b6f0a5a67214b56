//! Paragraphs of text frames (DrawingML, ECMA-376 part 1, section 21.1.2.2) and their bullets and numbers.

use heimdex_schemas::BlockKind;

use crate::docx::number_format::NumberFormat;
use crate::docx::pieces::Piece;
use crate::xml::Element;

/// Levels of a list (ECMA-376 part 1, section 21.1.2.2.7).
const LEVELS: usize = 9;

/// What stands before a paragraph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Mark {
    /// What its place says: a bullet in the body of a slide, nothing elsewhere.
    #[default]
    Inherited,
    Nothing,
    Bullet,
    Number {
        scheme: String,
        start: u32,
    },
}

/// A paragraph that is open.
#[derive(Debug, Default)]
pub(super) struct Paragraph {
    pub text: String,
    level: usize,
    mark: Mark,
}

/// The counters of the numbered lists in one shape.
#[derive(Debug, Default)]
pub(super) struct Counters {
    counts: [Option<u32>; LEVELS],
}

impl Paragraph {
    /// An element inside the paragraph begins.
    pub fn open(&mut self, element: &Element<'_>) {
        let number = |name| element.attribute(name).and_then(|value| value.parse().ok());
        match element.name() {
            "pPr" => self.level = number("lvl").map_or(0, |level: u32| level as usize).min(LEVELS - 1),
            "buNone" => self.mark = Mark::Nothing,
            "buChar" | "buBlip" => self.mark = Mark::Bullet,
            "buAutoNum" => {
                let scheme = element.attribute("type").unwrap_or_default().into_owned();
                self.mark = Mark::Number { scheme, start: number("startAt").unwrap_or(1) };
            }
            _ => {}
        }
    }

    /// The paragraph as a piece; `in_body` where a bullet is inherited.
    pub fn finish(self, counters: &mut Counters, in_body: bool) -> Piece {
        let Self { text, level, mark } = self;
        if text.trim().is_empty() {
            return Piece::paragraph(text);
        }
        let label = match mark {
            Mark::Bullet => Some("• ".to_owned()),
            Mark::Inherited if in_body => Some("• ".to_owned()),
            Mark::Number { scheme, start } => Some(counters.number(level, &scheme, start)),
            Mark::Nothing | Mark::Inherited => None,
        };
        if label.as_deref().is_none_or(|label| label.starts_with('•')) {
            counters.reset(level);
        }
        match label {
            None => Piece::paragraph(text),
            Some(label) => Piece::Text { kind: BlockKind::ListItem, text: label + &text },
        }
    }
}

impl Counters {
    /// Counts a paragraph at `level`; levels below start again.
    fn number(&mut self, level: usize, scheme: &str, start: u32) -> String {
        self.reset(level + 1);
        let Some(counter) = self.counts.get_mut(level) else { return String::new() };
        let count = counter.map_or(start, |count| count.saturating_add(1));
        *counter = Some(count);
        format!("{} ", display(count, scheme))
    }

    fn reset(&mut self, from: usize) {
        self.counts.iter_mut().skip(from).for_each(|count| *count = None);
    }
}

/// `count` in a numbering scheme (`ST_TextAutonumberScheme`, ECMA-376 part 1, section 20.1.10.61): a format and what
/// stands around it.
fn display(count: u32, scheme: &str) -> String {
    const FORMATS: [(&str, &str); 10] = [
        ("alphaLc", "lowerLetter"),
        ("alphaUc", "upperLetter"),
        ("romanLc", "lowerRoman"),
        ("romanUc", "upperRoman"),
        ("circleNum", "decimalEnclosedCircle"),
        ("ea1Chs", "chineseCounting"),
        ("ea1Cht", "taiwaneseCounting"),
        ("ea1Jpn", "japaneseCounting"),
        ("hebrew", "hebrew1"),
        ("arabicDb", "decimalFullWidth"),
    ];
    let format = FORMATS.iter().find(|(start, _)| scheme.starts_with(start)).map_or("decimal", |(_, format)| format);
    let number = NumberFormat::of(format).display(count);
    match scheme {
        _ if scheme.ends_with("ParenBoth") => format!("({number})"),
        _ if scheme.ends_with("ParenR") => format!("{number})"),
        _ if scheme.ends_with("Period") => format!("{number}."),
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_and_counters() {
        let mut counters = Counters::default();
        let seen: Vec<String> = [
            (0, "arabicPeriod", 3),
            (1, "alphaLcParenBoth", 1),
            (1, "alphaLcParenBoth", 1),
            (0, "arabicPeriod", 3),
            (1, "romanUcParenR", 1),
        ]
        .map(|(level, scheme, start)| counters.number(level, scheme, start))
        .to_vec();
        assert_eq!(seen, ["3. ", "(a) ", "(b) ", "4. ", "I) "]);
    }
}
