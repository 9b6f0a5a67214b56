//! Equations (ECMA-376 part 1, section 22.1) in one line: `(a+b)/2`, `x^2`, `√(x)`.

use crate::xml::Element;

/// Turns what happens inside `m:oMath` into text. Each open part remembers where its text starts.
#[derive(Debug, Default)]
pub(super) struct Equations {
    open: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    start: usize,
    /// Written around the part when it is longer than one character, or always.
    brackets: Option<(String, String)>,
    always: bool,
}

impl Equations {
    /// An element begins; `text` is the paragraph so far.
    pub fn open(&mut self, element: &Element<'_>, text: &mut String) {
        match element.name() {
            "den" => self.group(text, "/"),
            "sup" => self.group(text, "^"),
            "sub" => self.group(text, "_"),
            "num" => self.group(text, ""),
            "lim" => self.group(text, "_"),
            "rad" => text.push('√'),
            "d" => self.open.push(Part { start: text.len(), brackets: round(), always: true }),
            "begChr" => self.delimit(element, |(begin, _)| begin),
            "endChr" => self.delimit(element, |(_, end)| end),
            "nary" => text.push('∫'),
            "chr" => replace_operator(element, text),
            "mr" => text.push(' '),
            _ => {}
        }
    }

    /// An element ends.
    pub fn close(&mut self, name: &str, text: &mut String) {
        if !matches!(name, "den" | "sup" | "sub" | "num" | "lim" | "d") {
            return;
        }
        let Some(part) = self.open.pop() else { return };
        let Some(inside) = text.get(part.start..) else { return };
        let Some((begin, end)) = part.brackets else { return };
        let wrap = part.always || inside.chars().nth(1).is_some();
        if wrap && !inside.is_empty() {
            text.insert_str(part.start, &begin);
            text.push_str(&end);
        }
    }

    fn group(&mut self, text: &mut String, sign: &str) {
        text.push_str(sign);
        self.open.push(Part { start: text.len(), brackets: round(), always: false });
    }

    fn delimit(&mut self, element: &Element<'_>, side: impl Fn(&mut (String, String)) -> &mut String) {
        if let Some(brackets) = self.open.last_mut().and_then(|part| part.brackets.as_mut()) {
            *side(brackets) = element.attribute("val").unwrap_or_default().chars().take(1).collect();
        }
    }
}

/// The integral sign is the default of an n-ary operator (ECMA-376 part 1, section 22.1.2.20).
fn replace_operator(element: &Element<'_>, text: &mut String) {
    if text.ends_with('∫') {
        text.pop();
        text.extend(element.attribute("val").unwrap_or_default().chars().take(1));
    }
}

fn round() -> Option<(String, String)> {
    Some(("(".to_owned(), ")".to_owned()))
}
