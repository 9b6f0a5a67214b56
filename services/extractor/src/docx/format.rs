//! Paragraph and run properties as far as they decide what text there is (ECMA-376 part 1, sections 17.3.1 and 17.3.2).

use crate::Failure;
use crate::xml::{Element, Reader};

/// What `w:pPr` says, directly or in a style.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ParagraphFormat {
    pub style: Option<String>,
    /// From 0; 9 means body text.
    pub outline: Option<u8>,
    /// The numbering instance; `0` takes a style's numbering away.
    pub list: Option<String>,
    /// From 0.
    pub list_level: Option<u8>,
    /// The paragraph runs on into the next one: its mark was deleted, or it is a drop cap.
    pub runs_on: bool,
}

/// What `w:rPr` says, directly or in a style.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RunFormat {
    pub style: Option<String>,
    pub hidden: Option<bool>,
    pub font: Option<String>,
}

/// The value of `w:val`.
pub(super) fn value(element: &Element<'_>) -> Option<String> {
    element.attribute("val").map(std::borrow::Cow::into_owned)
}

/// A toggle is on unless its value says otherwise (ECMA-376 part 1, section 17.17.4).
pub(super) fn is_on(element: &Element<'_>) -> bool {
    !matches!(element.attribute("val").as_deref(), Some("0" | "false" | "off"))
}

/// Whether this element keeps what a tracked change replaced.
pub(super) fn is_former(name: &str) -> bool {
    name.ends_with("PrChange") || name == "numberingChange"
}

impl ParagraphFormat {
    /// Reads `w:pPr` up to its end.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Failure> {
        let mut format = Self::default();
        let inside = reader.depth();
        while let Some(element) = reader.open_within(inside)? {
            format.open(&element, reader)?;
        }
        Ok(format)
    }

    fn open(&mut self, element: &Element<'_>, reader: &mut Reader<'_>) -> Result<(), Failure> {
        match element.name() {
            "pStyle" => self.style = value(element),
            "outlineLvl" => self.outline = value(element).and_then(|level| level.parse().ok()),
            "numId" => self.list = value(element),
            "ilvl" => self.list_level = value(element).and_then(|level| level.parse().ok()),
            "framePr" => self.runs_on |= matches!(element.attribute("dropCap").as_deref(), Some("drop" | "margin")),
            "rPr" => self.runs_on |= mark_is_deleted(reader)?,
            "sectPr" | "tabs" | "pBdr" => reader.skip()?,
            name if is_former(name) => reader.skip()?,
            _ => {}
        }
        Ok(())
    }
}

/// Reads the properties of a paragraph mark.
fn mark_is_deleted(reader: &mut Reader<'_>) -> Result<bool, Failure> {
    let inside = reader.depth();
    let mut deleted = false;
    while let Some(element) = reader.open_within(inside)? {
        match element.name() {
            "del" | "moveFrom" => deleted = true,
            name if is_former(name) => reader.skip()?,
            _ => {}
        }
    }
    Ok(deleted)
}

impl RunFormat {
    /// Reads `w:rPr` up to its end.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Failure> {
        let mut format = Self::default();
        let inside = reader.depth();
        while let Some(element) = reader.open_within(inside)? {
            format.open(&element, reader)?;
        }
        Ok(format)
    }

    fn open(&mut self, element: &Element<'_>, reader: &mut Reader<'_>) -> Result<(), Failure> {
        match element.name() {
            "rStyle" => self.style = value(element),
            "vanish" => self.hidden = Some(is_on(element)),
            "rFonts" => self.font = element.attribute("ascii").map(std::borrow::Cow::into_owned),
            name if is_former(name) => reader.skip()?,
            _ => {}
        }
        Ok(())
    }
}
