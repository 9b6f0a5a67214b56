//! List numbers as they are displayed (ECMA-376 part 1, section 17.9).

use std::collections::{HashMap, HashSet};

use super::format::{is_on, value};
use super::number_format::NumberFormat;
use crate::xml::{Element, Node, Reader};
use crate::{Failure, Limits};

/// Levels of a list (ECMA-376 part 1, section 17.9.6).
const LEVELS: usize = 9;

/// Characters kept of a level's text; Word itself allows 31.
const TEXT_CHARS: usize = 64;

/// What stands for any bullet: the characters of bullets are mostly private to a symbol font.
const BULLET: &str = "•";

#[derive(Debug, Clone, Default)]
struct Level {
    start: Option<u32>,
    format: NumberFormat,
    /// With `%1` to `%9` for the numbers of the levels.
    text: String,
    /// No space after the number.
    tight: bool,
    /// The level, from 1, after whose use this one starts again; 0 for never, `None` for any above.
    restart: Option<usize>,
    /// All numbers in decimal.
    legal: bool,
    style: Option<String>,
}

/// A definition that instances share.
#[derive(Debug, Default)]
struct Abstract {
    levels: [Option<Level>; LEVELS],
    /// The numbering style that this is the definition of, and the one whose definition is used instead of this.
    defines: Option<String>,
    uses: Option<String>,
}

/// An instance: a definition with changes.
#[derive(Debug, Default)]
struct Instance {
    definition: String,
    starts: [Option<u32>; LEVELS],
    levels: [Option<Level>; LEVELS],
}

/// The lists of a document, with their counters.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    definitions: HashMap<String, Abstract>,
    instances: HashMap<String, Instance>,
    counters: HashMap<String, [Option<u32>; LEVELS]>,
    /// Levels of instances whose own start was used.
    started: HashSet<(String, usize)>,
}

impl Numbering {
    /// Reads a numbering part.
    pub fn read(text: &str, limits: &Limits) -> Result<Self, Failure> {
        let mut numbering = Self::default();
        let mut reader = Reader::new(text, limits);
        while let Some(node) = reader.next()? {
            let Node::Open(element) = node else { continue };
            let id = |name| element.attribute(name).unwrap_or_default().into_owned();
            match element.name() {
                "abstractNum" => drop(numbering.definitions.insert(id("abstractNumId"), Abstract::read(&mut reader)?)),
                "num" => drop(numbering.instances.insert(id("numId"), Instance::read(&mut reader)?)),
                _ => {}
            }
        }
        numbering.follow_styles();
        Ok(numbering)
    }

    /// Points instances of a definition that only names a numbering style to the definition of that style.
    fn follow_styles(&mut self) {
        let defining: HashMap<&str, &str> =
            self.definitions.iter().filter_map(|(id, d)| Some((d.defines.as_deref()?, id.as_str()))).collect();
        for instance in self.instances.values_mut() {
            let used = self.definitions.get(&instance.definition).and_then(|definition| definition.uses.as_deref());
            if let Some(id) = used.and_then(|style| defining.get(style)) {
                instance.definition = (*id).to_owned();
            }
        }
    }

    /// Whether paragraphs in this instance are items of a list.
    pub fn has(&self, list: &str) -> bool {
        self.instances.contains_key(list)
    }

    /// The level that the paragraph style `style` is bound to.
    pub fn level_of_style(&self, list: &str, style: &str) -> Option<usize> {
        let instance = self.instances.get(list)?;
        (0..LEVELS)
            .find(|level| self.level(instance, *level).is_some_and(|level| level.style.as_deref() == Some(style)))
    }

    /// Counts one paragraph at `level` (from 0) of the instance `list` and gives what is displayed before it, with the
    /// space that follows; empty when nothing is.
    pub fn next(&mut self, list: &str, level: usize) -> String {
        let level = level.min(LEVELS - 1);
        let counts = self.count(list, level);
        let Some(instance) = self.instances.get(list) else { return String::new() };
        let Some(own) = self.level(instance, level) else { return String::new() };
        let text = if own.format == NumberFormat::Bullet {
            if own.text.is_empty() { String::new() } else { BULLET.to_owned() }
        } else {
            self.fill(own, instance, &counts)
        };
        let gap = if own.tight || text.is_empty() { "" } else { " " };
        text + gap
    }

    fn count(&mut self, list: &str, level: usize) -> [Option<u32>; LEVELS] {
        let Some(instance) = self.instances.get(list) else { return [None; LEVELS] };
        let own_start = instance.starts.get(level).copied().flatten();
        let restarts: Vec<bool> = (0..LEVELS).map(|deeper| self.restarts(instance, deeper, level)).collect();
        let starts: Vec<u32> = (0..LEVELS).map(|level| self.level(instance, level).map_or(1, Level::first)).collect();
        let start = starts.get(level).copied().unwrap_or(1);
        let counters = self.counters.entry(instance.definition.clone()).or_insert([None; LEVELS]);
        let fresh = own_start.filter(|_| self.started.insert((list.to_owned(), level)));
        if let Some(counter) = counters.get_mut(level) {
            *counter = Some(fresh.unwrap_or_else(|| counter.map_or(start, |count| count.saturating_add(1))));
        }
        // A level that was skipped counts as used once.
        for (place, counter) in counters.iter_mut().enumerate().take(level) {
            *counter = counter.or(starts.get(place).copied());
        }
        for (counter, _) in counters.iter_mut().zip(restarts).filter(|(_, restarts)| *restarts) {
            *counter = None;
        }
        *counters
    }

    /// Whether the use of `used` makes `level` start again.
    fn restarts(&self, instance: &Instance, level: usize, used: usize) -> bool {
        match self.level(instance, level).and_then(|level| level.restart) {
            None => used < level,
            Some(restart) => used < restart && used < level,
        }
    }

    fn fill(&self, own: &Level, instance: &Instance, counts: &[Option<u32>; LEVELS]) -> String {
        let mut filled = String::new();
        let mut chars = own.text.chars().peekable();
        while let Some(c) = chars.next() {
            let digit = chars.peek().and_then(|next| next.to_digit(10)).filter(|digit| c == '%' && *digit > 0);
            let Some(place) = digit.map(|digit| digit as usize - 1) else {
                filled.push(c);
                continue;
            };
            chars.next();
            let level = self.level(instance, place);
            let count = counts.get(place).copied().flatten().unwrap_or_else(|| level.map_or(1, Level::first));
            let format = level.map_or(NumberFormat::Decimal, |level| level.format);
            filled.push_str(&if own.legal { NumberFormat::Decimal } else { format }.display(count));
        }
        filled
    }

    fn level<'a>(&'a self, instance: &'a Instance, level: usize) -> Option<&'a Level> {
        let own = instance.levels.get(level).and_then(Option::as_ref);
        own.or_else(|| self.definitions.get(&instance.definition)?.levels.get(level)?.as_ref())
    }
}

impl Abstract {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Failure> {
        let mut definition = Self::default();
        let inside = reader.depth();
        while let Some(element) = reader.open_within(inside)? {
            match element.name() {
                "lvl" => keep(&mut definition.levels, place(&element), Level::read(reader)?),
                "styleLink" => definition.defines = value(&element),
                "numStyleLink" => definition.uses = value(&element),
                _ => {}
            }
        }
        Ok(definition)
    }
}

impl Instance {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Failure> {
        let mut instance = Self::default();
        let mut overridden = 0;
        let inside = reader.depth();
        while let Some(element) = reader.open_within(inside)? {
            match element.name() {
                "abstractNumId" => instance.definition = value(&element).unwrap_or_default(),
                "lvlOverride" => overridden = place(&element),
                "startOverride" => {
                    if let Some(start) = value(&element).and_then(|start| start.parse().ok()) {
                        keep(&mut instance.starts, overridden, start);
                    }
                }
                "lvl" => keep(&mut instance.levels, overridden, Level::read(reader)?),
                _ => {}
            }
        }
        Ok(instance)
    }
}

impl Level {
    fn first(&self) -> u32 {
        // ECMA-376 part 1, section 17.9.25: without a start it is 0.
        self.start.unwrap_or(0)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Failure> {
        let mut level = Self::default();
        let inside = reader.depth();
        while let Some(element) = reader.open_within(inside)? {
            level.open(&element);
            if matches!(element.name(), "pPr" | "rPr") {
                reader.skip()?;
            }
        }
        Ok(level)
    }

    fn open(&mut self, element: &Element<'_>) {
        let number = || value(element).and_then(|value| value.parse().ok());
        match element.name() {
            "start" => self.start = value(element).and_then(|value| value.parse().ok()),
            "numFmt" => self.format = NumberFormat::of(&value(element).unwrap_or_default()),
            "lvlText" => self.text = value(element).unwrap_or_default().chars().take(TEXT_CHARS).collect(),
            "suff" => self.tight = value(element).as_deref() == Some("nothing"),
            "lvlRestart" => self.restart = number(),
            "isLgl" => self.legal = is_on(element),
            "pStyle" => self.style = value(element),
            _ => {}
        }
    }
}

fn place(element: &Element<'_>) -> usize {
    element.attribute("ilvl").and_then(|level| level.parse().ok()).unwrap_or_default()
}

fn keep<T>(levels: &mut [Option<T>; LEVELS], place: usize, level: T) {
    if let Some(slot) = levels.get_mut(place) {
        *slot = Some(level);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn level(at: usize, format: &str, text: &str, more: &str) -> String {
        format!(
            "<w:lvl w:ilvl='{at}'><w:start w:val='1'/><w:numFmt w:val='{format}'/><w:lvlText w:val='{text}'/>{more}</w:lvl>"
        )
    }

    fn read(definition: &str, instances: &str) -> Numbering {
        let text = format!(
            "<w:numbering><w:abstractNum w:abstractNumId='0'>{definition}</w:abstractNum>\
             <w:num w:numId='1'><w:abstractNumId w:val='0'/></w:num>{instances}</w:numbering>"
        );
        Numbering::read(&text, &Limits::default()).unwrap()
    }

    fn shown(numbering: &mut Numbering, uses: &[(&str, usize)]) -> Vec<String> {
        uses.iter().map(|(list, level)| numbering.next(list, *level)).collect()
    }

    fn outline() -> String {
        level(0, "decimal", "%1.", "") + &level(1, "lowerLetter", "%1%2)", "") + &level(2, "upperRoman", "(%3)", "")
    }

    #[test]
    fn deeper_levels_start_again() {
        let seen = shown(&mut read(&outline(), ""), &[("1", 0), ("1", 1), ("1", 1), ("1", 2), ("1", 0), ("1", 1)]);
        assert_eq!(seen, ["1. ", "1a) ", "1b) ", "(I) ", "2. ", "2a) "]);
    }

    #[test]
    fn a_skipped_level_counts_as_used() {
        let definition =
            level(0, "decimal", "%1", "") + &level(1, "decimal", "%1.%2", "") + &level(2, "decimal", "%1.%2.%3", "");
        let seen = shown(&mut read(&definition, ""), &[("1", 0), ("1", 2), ("1", 1)]);
        assert_eq!(seen, ["1 ", "1.1.1 ", "1.2 "]);
    }

    #[test]
    fn a_level_that_never_restarts_and_legal_numbers() {
        let definition = level(0, "upperRoman", "%1", "<w:suff w:val='nothing'/>")
            + &level(1, "decimal", "%1.%2", "<w:isLgl/><w:lvlRestart w:val='0'/>");
        let seen = shown(&mut read(&definition, ""), &[("1", 0), ("1", 1), ("1", 0), ("1", 1)]);
        assert_eq!(seen, ["I", "1.1 ", "II", "2.2 "]);
    }

    #[test]
    fn instances_share_a_count_until_one_starts_anew() {
        let instances = "<w:num w:numId='2'><w:abstractNumId w:val='0'/></w:num><w:num w:numId='3'><w:abstractNumId \
             w:val='0'/><w:lvlOverride w:ilvl='0'><w:startOverride w:val='7'/></w:lvlOverride></w:num>";
        let seen = shown(&mut read(&outline(), instances), &[("1", 0), ("2", 0), ("3", 0), ("3", 0), ("1", 0)]);
        assert_eq!(seen, ["1. ", "2. ", "7. ", "8. ", "9. "]);
    }

    #[test]
    fn bullets_levels_of_their_own_and_unknown_lists() {
        let own = level(0, "bullet", "\u{F0B7}", "");
        let instances = format!(
            "<w:num w:numId='2'><w:abstractNumId w:val='0'/><w:lvlOverride w:ilvl='0'>{own}</w:lvlOverride></w:num>"
        );
        let mut numbering = read(&outline(), &instances);
        assert_eq!(shown(&mut numbering, &[("2", 0), ("9", 0), ("1", 40)]), ["• ", "", ""]);
        assert!(numbering.has("2") && !numbering.has("9"));
    }

    #[test]
    fn numbering_styles_lead_to_their_definition() {
        let text = format!(
            "<w:numbering><w:abstractNum w:abstractNumId='0'><w:numStyleLink w:val='S'/></w:abstractNum>\
             <w:abstractNum w:abstractNumId='1'><w:styleLink w:val='S'/>{}</w:abstractNum>\
             <w:num w:numId='5'><w:abstractNumId w:val='0'/></w:num></w:numbering>",
            level(0, "decimalZero", "%1", "<w:pStyle w:val='H'/>")
        );
        let mut numbering = Numbering::read(&text, &Limits::default()).unwrap();
        assert_eq!(numbering.next("5", 0), "01 ");
        assert_eq!((numbering.level_of_style("5", "H"), numbering.level_of_style("5", "I")), (Some(0), None));
    }
}
