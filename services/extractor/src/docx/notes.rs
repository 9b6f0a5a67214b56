//! Footnotes, endnotes and comments, each read once and placed after the paragraph that refers to it.

use std::collections::HashMap;

use super::number_format::NumberFormat;

/// What kind of note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum NoteKind {
    Footnote,
    Endnote,
    Comment,
}

impl NoteKind {
    /// By the name of the element that holds one, and of the relationship to the part of all.
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Comment, "comment", "comments"),
        (Self::Footnote, "footnote", "footnotes"),
        (Self::Endnote, "endnote", "endnotes"),
    ];

    /// The kind that an element refers to.
    pub fn of_reference(name: &str) -> Option<Self> {
        let own = name.strip_suffix("Reference")?;
        Self::ALL.iter().find(|(_, element, _)| *element == own).map(|(kind, ..)| *kind)
    }

    /// The format of its numbers (ECMA-376 part 1, section 17.11.17); comments have none.
    fn numbers(self) -> Option<NumberFormat> {
        match self {
            Self::Footnote => Some(NumberFormat::Decimal),
            Self::Endnote => Some(NumberFormat::LowerRoman),
            Self::Comment => None,
        }
    }
}

/// The notes that no paragraph has referred to yet.
#[derive(Debug, Default)]
pub(super) struct Notes {
    texts: HashMap<(NoteKind, String), String>,
    /// In the order of their part.
    comments: Vec<String>,
    counts: HashMap<NoteKind, u32>,
}

impl Notes {
    /// Adds the note `id`.
    pub fn add(&mut self, kind: NoteKind, id: String, text: String) {
        if kind == NoteKind::Comment {
            self.comments.push(id.clone());
        }
        self.texts.insert((kind, id), text.trim().to_owned());
    }

    /// The note that a paragraph refers to for the first time: its mark, which stands in the paragraph, and its text.
    pub fn refer(&mut self, kind: NoteKind, id: &str, own_mark: bool) -> Option<(String, String)> {
        let text = self.texts.remove(&(kind, id.to_owned()))?;
        let Some(format) = kind.numbers().filter(|_| !own_mark) else { return Some((String::new(), text)) };
        let count = self.counts.entry(kind).or_insert(0);
        *count += 1;
        let mark = format!("[{}]", format.display(*count));
        let text = if text.is_empty() { text } else { format!("{mark} {text}") };
        Some((mark, text))
    }

    /// Comments that nothing refers to.
    pub fn comments_left(&mut self) -> Vec<String> {
        let ids = std::mem::take(&mut self.comments);
        ids.into_iter().filter_map(|id| self.texts.remove(&(NoteKind::Comment, id))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_numbered_by_reference_and_come_once() {
        let mut notes = Notes::default();
        for (kind, id) in
            [(NoteKind::Footnote, "7"), (NoteKind::Footnote, "2"), (NoteKind::Endnote, "2"), (NoteKind::Comment, "0")]
        {
            notes.add(kind, id.to_owned(), format!("text {id}"));
        }
        let mut refer = |kind, id| notes.refer(kind, id, false);
        let pair = |mark: &str, text: &str| Some((mark.to_owned(), text.to_owned()));
        assert_eq!(refer(NoteKind::Footnote, "2"), pair("[1]", "[1] text 2"));
        assert_eq!(refer(NoteKind::Footnote, "2"), None);
        assert_eq!(refer(NoteKind::Footnote, "7"), pair("[2]", "[2] text 7"));
        assert_eq!(refer(NoteKind::Endnote, "2"), pair("[i]", "[i] text 2"));
        assert_eq!(notes.comments_left(), ["text 0"]);
        assert_eq!(notes.comments_left(), [""; 0]);
    }
}
