//! Fields (ECMA-376 part 1, section 17.16): what was computed last is text, the code is not.

use super::format::{is_on, value};
use crate::Failure;
use crate::xml::{Element, Reader};

/// Fields that are open inside each other; Word allows 20.
const NESTED: usize = 64;

#[derive(Debug, Default)]
struct Field {
    /// Behind the separator.
    result: bool,
    /// What a form control shows, which has no result of its own.
    control: Option<String>,
}

/// The fields that are open in a story.
#[derive(Debug, Default)]
pub(super) struct Fields {
    open: Vec<Field>,
}

impl Fields {
    /// Whether what comes now is the code of a field.
    pub fn in_code(&self) -> bool {
        self.open.iter().any(|field| !field.result)
    }

    /// Reads `w:fldChar`; gives the text of a form control when its field ends.
    pub fn character(&mut self, element: &Element<'_>, reader: &mut Reader<'_>) -> Result<Option<String>, Failure> {
        let kind = element.attribute("fldCharType");
        let control = form_control(reader)?;
        match kind.as_deref() {
            Some("begin") if self.open.len() < NESTED => self.open.push(Field { result: false, control }),
            Some("separate") => {
                if let Some(field) = self.open.last_mut() {
                    field.result = true;
                }
            }
            Some("end") => return Ok(self.open.pop().and_then(|field| field.control)),
            _ => {}
        }
        Ok(None)
    }

    /// At the end of a paragraph: a code does not go on in the next one, so its end is missing.
    pub fn end_paragraph(&mut self) {
        self.open.retain(|field| field.result);
    }
}

/// Reads what is inside `w:fldChar`: the state of a check box, the chosen entry of a list (ECMA-376 part 1, section 17.16.7
/// and following). A text field has a result.
fn form_control(reader: &mut Reader<'_>) -> Result<Option<String>, Failure> {
    let inside = reader.depth();
    let (mut checked, mut chosen, mut entries) = (None, 0, Vec::new());
    while let Some(element) = reader.open_within(inside)? {
        match element.name() {
            "checkBox" => checked = Some(false),
            "default" | "checked" if checked.is_some() => checked = Some(is_on(&element)),
            "result" => chosen = value(&element).and_then(|place| place.parse().ok()).unwrap_or_default(),
            "listEntry" => entries.extend(value(&element)),
            _ => {}
        }
    }
    let entry = entries.into_iter().nth(chosen);
    Ok(checked.map(|on| if on { "☒" } else { "☐" }.to_owned()).or(entry))
}
