//! How the cells of a workbook are displayed: number formats and bold type, by style number.

use std::collections::HashMap;

use super::number_format::NumberFormat;
use crate::xml::{Element, Node, Reader};
use crate::{Failure, Limits};

/// Styles of cells.
#[derive(Debug, Default)]
pub(super) struct Styles {
    formats: HashMap<u32, NumberFormat>,
    bold_fonts: Vec<bool>,
    /// Number format and boldness of each style.
    cells: Vec<(u32, bool)>,
}

impl Styles {
    /// Reads a styles part (ECMA-376 part 1, section 18.8).
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub(super) fn read(xml: &str, limits: &Limits) -> Result<Self, Failure> {
        let mut styles = Self::default();
        let mut reader = Reader::new(xml, limits);
        let mut section = String::new();
        while let Some(node) = reader.next()? {
            let Node::Open(element) = node else { continue };
            match (section.as_str(), element.name()) {
                ("numFmts", "numFmt") => {
                    styles.format(number(&element, "numFmtId"), &element.attribute("formatCode").unwrap_or_default());
                }
                ("fonts", "font") => styles.bold_fonts.push(false),
                ("fonts", "b") => {
                    let bold = element.attribute("val").is_none_or(|value| !matches!(&*value, "0" | "false"));
                    styles.bold_fonts.last_mut().into_iter().for_each(|font| *font = bold);
                }
                ("cellXfs", "xf") => styles.cell(number(&element, "numFmtId"), number(&element, "fontId")),
                (_, name @ ("numFmts" | "fonts" | "cellXfs" | "cellStyleXfs" | "dxfs" | "cellStyles")) => {
                    name.clone_into(&mut section);
                }
                _ => {}
            }
        }
        styles.load_built_in();
        Ok(styles)
    }

    /// Adds a number format of the workbook.
    pub(super) fn format(&mut self, id: u32, code: &str) {
        self.formats.insert(id, NumberFormat::parse(code));
    }

    /// Adds the next font.
    pub(super) fn font(&mut self, bold: bool) {
        self.bold_fonts.push(bold);
    }

    /// Adds the next cell style.
    pub(super) fn cell(&mut self, format: u32, font: u32) {
        let bold = self.bold_fonts.get(font as usize).copied().unwrap_or_default();
        self.cells.push((format, bold));
    }

    /// Adds the built-in formats that are used; call it after everything else.
    pub(super) fn load_built_in(&mut self) {
        for id in std::iter::once(0).chain(self.cells.iter().map(|(format, _)| *format)) {
            self.formats.entry(id).or_insert_with(|| NumberFormat::built_in(id));
        }
    }

    /// The number format of a style; `None` for `General`.
    pub(super) fn number_format(&self, style: usize) -> Option<&NumberFormat> {
        self.cells.get(style).and_then(|(format, _)| if *format == 0 { None } else { self.formats.get(format) })
    }

    pub(super) fn is_bold(&self, style: usize) -> bool {
        self.cells.get(style).is_some_and(|(_, bold)| *bold)
    }
}

fn number(element: &Element<'_>, name: &str) -> u32 {
    element.attribute(name).and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}
