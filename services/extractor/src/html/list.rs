//! The numbers of list items, as a browser shows them.

use scraper::node::Element;

/// An open list.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    numbered: Option<Numbering>,
}

#[derive(Debug, Clone, Copy)]
struct Numbering {
    next: i64,
    step: i64,
    style: Style,
}

#[derive(Debug, Clone, Copy)]
enum Style {
    Decimal,
    Letters { capital: bool },
    Roman { capital: bool },
    None,
}

impl List {
    pub(super) fn of(element: &Element, items: impl FnOnce() -> usize) -> Self {
        if element.name() != "ol" {
            return Self { numbered: None };
        }
        let reversed = element.attr("reversed").is_some();
        let start = element.attr("start").and_then(|value| value.trim().parse().ok());
        let first = start.unwrap_or_else(|| if reversed { i64::try_from(items()).unwrap_or(1) } else { 1 });
        let step = if reversed { -1 } else { 1 };
        Self { numbered: Some(Numbering { next: first, step, style: style(element) }) }
    }

    /// What stands before the next item; nothing before bullets.
    pub(super) fn mark(&mut self, item: &Element) -> Option<String> {
        let numbering = self.numbered.as_mut()?;
        if let Some(value) = item.attr("value").and_then(|value| value.trim().parse().ok()) {
            numbering.next = value;
        }
        let number = numbering.next;
        numbering.next = number.saturating_add(numbering.step);
        let unmarked = item.attr("style").is_some_and(is_unmarked);
        let written = match numbering.style {
            Style::None => None,
            Style::Letters { capital } => Some(cased(letters(number), capital)),
            Style::Roman { capital } => Some(cased(roman(number), capital)),
            Style::Decimal => Some(number.to_string()),
        };
        written.filter(|_| !unmarked).map(|number| format!("{number}. "))
    }
}

fn style(element: &Element) -> Style {
    let css = element.attr("style").unwrap_or_default();
    if is_unmarked(css) {
        return Style::None;
    }
    let named = [("lower-alpha", "a"), ("upper-alpha", "A"), ("lower-roman", "i"), ("upper-roman", "I")];
    let of_css = named.iter().find(|(name, _)| css.contains(name)).map(|(_, kind)| *kind);
    match of_css.or_else(|| element.attr("type")) {
        Some("a") => Style::Letters { capital: false },
        Some("A") => Style::Letters { capital: true },
        Some("i") => Style::Roman { capital: false },
        Some("I") => Style::Roman { capital: true },
        _ => Style::Decimal,
    }
}

fn is_unmarked(css: &str) -> bool {
    css.replace(' ', "").contains("list-style-type:none") || css.replace(' ', "").contains("list-style:none")
}

fn cased(text: Option<String>, capital: bool) -> String {
    let text = text.unwrap_or_default();
    if capital { text.to_ascii_uppercase() } else { text }
}

/// a … z, aa, ab, …
fn letters(number: i64) -> Option<String> {
    let mut rest = u64::try_from(number).ok().filter(|number| *number > 0)?;
    let mut reversed = String::new();
    while rest > 0 {
        reversed.push(char::from(b'a' + u8::try_from((rest - 1) % 26).ok()?));
        rest = (rest - 1) / 26;
    }
    Some(reversed.chars().rev().collect())
}

fn roman(number: i64) -> Option<String> {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    let mut rest = u32::try_from(number).ok().filter(|number| (1..4000).contains(number))?;
    let mut text = String::new();
    for (value, sign) in SIGNS {
        while rest >= value {
            text.push_str(sign);
            rest -= value;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_roman_numbers() {
        assert_eq!([1, 26, 27, 703].map(|n| letters(n).unwrap_or_default()), ["a", "z", "aa", "aaa"]);
        assert_eq!([4, 1994, 3999].map(|n| roman(n).unwrap_or_default()), ["iv", "mcmxciv", "mmmcmxcix"]);
        assert_eq!((letters(0), roman(4000)), (None, None));
    }
}
