//! What the names of built-in styles mean. Word writes them in English in every language (ECMA-376 part 1, section
//! 17.7.4.9); other writers, converters and templates made by hand use the names that their users see.

/// What a style is for, as far as its name tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Role {
    #[default]
    Body,
    /// From 1.
    Heading(u8),
    Title,
    Quote,
    Code,
}

/// "Heading" as Word and LibreOffice show it, in lower case, where a number follows.
const HEADINGS: [&str; 36] = [
    "heading",
    "überschrift",
    "titre",
    "título",
    "encabezado",
    "titolo",
    "intestazione",
    "kop",
    "rubrik",
    "overskrift",
    "otsikko",
    "pealkiri",
    "virsraksts",
    "antraštė",
    "nagłówek",
    "nadpis",
    "címsor",
    "titlu",
    "naslov",
    "заголовок",
    "заглавие",
    "наслов",
    "επικεφαλίδα",
    "başlık",
    "tiêu đề",
    "judul",
    "tajuk",
    "标题",
    "標題",
    "見出し",
    "제목",
    "หัวเรื่อง",
    "כותרת",
    "عنوان",
    "titol",
    "títol",
];

const TITLES: [&str; 22] = [
    "title",
    "titel",
    "titre",
    "título",
    "titolo",
    "títol",
    "tytuł",
    "název",
    "názov",
    "cím",
    "titlu",
    "otsikko",
    "rubrik",
    "название",
    "заглавие",
    "τίτλος",
    "konu başlığı",
    "标题",
    "標題",
    "表題",
    "제목",
    "عنوان",
];

const QUOTES: [&str; 16] = [
    "quote",
    "intense quote",
    "quotations",
    "block text",
    "block quote",
    "blockquote",
    "zitat",
    "intensives zitat",
    "citation",
    "citation intense",
    "cita",
    "cita destacada",
    "citazione",
    "引用",
    "引用文",
    "цитата",
];

const CODES: [&str; 10] = [
    "html preformatted",
    "preformatted text",
    "source code",
    "sourcecode",
    "code",
    "code block",
    "codeblock",
    "macro text",
    "html vorformatiert",
    "quelltext",
];

/// The role of a style called `name`.
pub(super) fn role(name: &str) -> Role {
    let lower = name.trim().to_lowercase();
    if let Some(level) = heading_level(&lower) {
        return Role::Heading(level);
    }
    match lower.as_str() {
        name if TITLES.contains(&name) => Role::Title,
        name if QUOTES.contains(&name) => Role::Quote,
        name if CODES.contains(&name) => Role::Code,
        _ => Role::Body,
    }
}

fn heading_level(lower: &str) -> Option<u8> {
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    let level: u8 = lower.get(digits.len()..)?.parse().ok()?;
    let word = digits.trim_end_matches([' ', '_', '-', '\u{A0}']);
    ((1..=9).contains(&level) && HEADINGS.contains(&word)).then_some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_many_languages() {
        for (name, expected) in [
            ("heading 1", Role::Heading(1)),
            ("Überschrift 2", Role::Heading(2)),
            ("Titre 3", Role::Heading(3)),
            ("標題 9", Role::Heading(9)),
            ("見出し 4", Role::Heading(4)),
            ("heading 10", Role::Body),
            ("heading", Role::Body),
            ("List 1", Role::Body),
            ("Title", Role::Title),
            ("表題", Role::Title),
            ("Intense Quote", Role::Quote),
            ("Source Code", Role::Code),
            ("Normal", Role::Body),
            ("", Role::Body),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
    }
}
