//! Markdown (CommonMark with the tables and footnotes of GitHub): its blocks, without its signs.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, MetadataBlockKind, Options, Parser, Tag, TagEnd};

use crate::html::{self, Flow, Gap};
use crate::package::rfc3339;
use crate::tidy::count;
use crate::{BlockKind, Document, Failure, Format, Limits, PageBuilder, Warning, charset, text};

const CELL_GAP: &str = " | ";
/// Distance between two places in the file whose character positions are known.
const MARK_BYTES: usize = 512;

/// Whether `head`, the begin of a file, is Markdown rather than another kind of text. Conservative: configuration files
/// have comments that look like headings, and lists; so two kinds of signs are asked for, one of them unmistakable, or
/// several headings around prose.
#[must_use]
pub fn is_markdown(head: &str) -> bool {
    let lines: Vec<&str> = head.lines().collect();
    let count = |is: fn(&str) -> bool| lines.iter().filter(|line| is(line)).count();
    let blank = |at: usize| lines.get(at).is_none_or(|line| line.trim().is_empty());
    let headings =
        lines.iter().enumerate().filter(|(at, line)| is_heading(line) && (*at == 0 || blank(at - 1)) && blank(at + 1));
    let headings = headings.count();
    let fences = count(|line| line.trim_start().starts_with("```") || line.starts_with("~~~"));
    let tables = count(is_table_rule);
    let links = count(has_link);
    let strong = count(|line| line.matches("**").count() > 1 && !line.contains("/**") && !line.contains("***/"));
    let lists = count(|line| ["- ", "* ", "1. "].iter().any(|sign| line.trim_start().starts_with(sign)));
    let prose = count(|line| {
        line.len() > 40 && line.contains(' ') && line.trim_end().ends_with(['.', ':', ',', '。', '?', '!'])
    });
    let sure = [fences > 1, tables > 0, links > 0, strong > 0].into_iter().filter(|sign| *sign).count();
    let signs = sure + usize::from(headings > 0) + usize::from(lists > 1);
    (sure > 0 && signs > 1) || (headings > 1 && prose > 1 && lists < lines.len() / 2)
}

fn is_heading(line: &str) -> bool {
    let text = line.trim_start_matches('#');
    (1..=6).contains(&(line.len() - text.len())) && text.starts_with(' ') && text.trim().len() > 1
}

fn is_table_rule(line: &str) -> bool {
    line.contains("---")
        && line.contains('|')
        && line.trim().bytes().all(|byte| matches!(byte, b'|' | b'-' | b':' | b' '))
}

fn has_link(line: &str) -> bool {
    line.match_indices("](").any(|(at, _)| {
        line.get(..at).is_some_and(|before| before.contains('['))
            && line.get(at..).is_some_and(|after| after.contains(')'))
    })
}

/// Reads `bytes` as one page.
///
/// # Errors
/// `too_large` over the limit on text, `empty` when nothing is left.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
    let decoded = charset::decode(bytes, None);
    let mut document = Document::of_pages(Format::Md, Vec::new());
    let mut writer = Writer::new(&decoded.text, limits);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_HEADING_ATTRIBUTES;
    for (event, range) in Parser::new_ext(&decoded.text, options).into_offset_iter() {
        writer.take(event, &range);
        if writer.page.bytes() > limits.max_text_bytes {
            return Err(Failure::too_large("text bytes", limits.max_text_bytes));
        }
    }
    writer.end_block();
    describe(&writer.front, &mut document);
    document.title = document.title.take().or(writer.title);
    document.pages.push(writer.page.finish(1));
    if decoded.invalid {
        document.warnings.push(Warning::InvalidBytes { encoding: decoded.encoding });
    }
    text::check_text(&document, limits)?;
    Ok(document)
}

/// Lines `key: value` of a YAML front matter.
fn describe(front: &str, document: &mut Document) {
    for (key, value) in front.lines().filter_map(|line| line.split_once(':')) {
        let value = value.trim().trim_matches(['"', '\'']).to_owned();
        let key = match key.trim() {
            "title" => {
                document.title = Some(value).filter(|title| !title.is_empty());
                continue;
            }
            "author" | "authors" => "author",
            "date" | "created" => "created",
            "updated" | "modified" | "lastmod" => "modified",
            "tags" | "keywords" => "keywords",
            "description" | "summary" => "description",
            _ => continue,
        };
        let value = if matches!(key, "created" | "modified") { rfc3339(&value) } else { Some(value) };
        document.metadata.extend(value.filter(|value| !value.is_empty()).map(|value| (key.to_owned(), value)));
    }
}

/// What is open around the text.
struct Writer<'a> {
    source: Positions<'a>,
    limits: &'a Limits,
    page: PageBuilder,
    flow: Flow,
    /// Numbers of the open lists; none for bullets.
    lists: Vec<Option<u64>>,
    quotes: u32,
    notes: u32,
    heading: Option<u8>,
    code: bool,
    table: Option<(Flow, u32)>,
    cells: u32,
    markup: Option<String>,
    in_front: bool,
    front: String,
    title: Option<String>,
}

impl<'a> Writer<'a> {
    fn new(source: &'a str, limits: &'a Limits) -> Self {
        Self {
            source: Positions::new(source),
            limits,
            page: PageBuilder::new(),
            flow: Flow::default(),
            lists: Vec::new(),
            quotes: 0,
            notes: 0,
            heading: None,
            code: false,
            table: None,
            cells: 0,
            markup: None,
            in_front: false,
            front: String::new(),
            title: None,
        }
    }

    fn take(&mut self, event: Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(tag) => self.open(tag),
            Event::End(tag) => self.close(tag),
            Event::Text(text) if self.in_front => self.front.push_str(&text),
            Event::Text(text) | Event::Code(text) => self.write(&text, range),
            Event::Html(text) => match &mut self.markup {
                Some(markup) => markup.push_str(&text),
                None => self.write_markup(&text),
            },
            Event::FootnoteReference(name) => self.flow.write_shown(&format!("[{name}]")),
            Event::SoftBreak => self.flow.separate(Gap::Space),
            Event::HardBreak => self.line_end(),
            Event::InlineHtml(tag) if tag.starts_with("<br") => self.line_end(),
            Event::InlineMath(text) | Event::DisplayMath(text) => self.write(&text, range),
            Event::InlineHtml(_) | Event::Rule | Event::TaskListMarker(_) => {}
        }
    }

    fn open(&mut self, tag: Tag<'_>) {
        let inline = matches!(
            tag,
            Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. } | Tag::TableCell
        );
        if !inline && !self.flow.is_mark() {
            self.end_block();
        }
        match tag {
            Tag::Heading { level, .. } => self.heading = Some(level_of(level)),
            Tag::BlockQuote(_) => self.quotes += 1,
            Tag::CodeBlock(_) => self.code = true,
            Tag::List(first) => self.lists.push(first),
            Tag::Item => self.open_item(),
            Tag::FootnoteDefinition(name) => {
                self.notes += 1;
                self.flow.write_mark(&format!("[{name}]"));
            }
            Tag::Table(_) => self.table = Some((Flow::default(), 0)),
            Tag::TableHead | Tag::TableRow => self.cells = 0,
            Tag::TableCell => self.open_cell(),
            Tag::MetadataBlock(MetadataBlockKind::YamlStyle | MetadataBlockKind::PlusesStyle) => self.in_front = true,
            Tag::HtmlBlock => self.markup = Some(String::new()),
            _ => {}
        }
    }

    fn open_item(&mut self) {
        if let Some(Some(number)) = self.lists.last_mut() {
            self.flow.write_mark(&format!("{number}."));
            *number = number.saturating_add(1);
        }
    }

    fn open_cell(&mut self) {
        if self.cells > 0 {
            self.flow.write_shown(CELL_GAP);
        }
        self.cells += 1;
    }

    fn close(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::TableHead | TagEnd::TableRow => self.end_row(matches!(tag, TagEnd::TableHead)),
            TagEnd::Table => {
                if let Some((rows, header_rows)) = self.table.take() {
                    self.page.push_from(BlockKind::Table { header_rows }, &rows.text, &rows.origins);
                }
            }
            TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Link
            | TagEnd::Image
            | TagEnd::TableCell => {}
            _ => self.end_block(),
        }
        match tag {
            TagEnd::Heading(_) => self.heading = None,
            TagEnd::BlockQuote(_) => self.quotes = self.quotes.saturating_sub(1),
            TagEnd::CodeBlock => self.code = false,
            TagEnd::List(_) => drop(self.lists.pop()),
            TagEnd::FootnoteDefinition => self.notes = self.notes.saturating_sub(1),
            TagEnd::MetadataBlock(_) => self.in_front = false,
            TagEnd::HtmlBlock => {
                if let Some(markup) = self.markup.take() {
                    self.write_markup(&markup);
                }
            }
            _ => {}
        }
    }

    fn write(&mut self, text: &str, range: &Range<usize>) {
        let source = self.source.of(text, range);
        if self.code {
            self.flow.write_verbatim(text, &[[0, source]]);
        } else {
            self.flow.write(text, &[[0, source]]);
        }
    }

    /// HTML within Markdown is read as such; what is wrong with it is no reason to refuse the rest.
    fn write_markup(&mut self, markup: &str) {
        let Ok(document) = html::parse_text(markup, self.limits) else { return };
        self.end_block();
        document.pages.iter().for_each(|page| self.page.append(page));
    }

    fn line_end(&mut self) {
        self.flow.separate(if self.table.is_some() { Gap::Space } else { Gap::Line });
    }

    fn end_row(&mut self, header: bool) {
        let row = std::mem::take(&mut self.flow);
        let Some((rows, header_rows)) = self.table.as_mut().filter(|_| !row.is_empty()) else { return };
        rows.join(if rows.is_empty() { "" } else { "\n" }, &row);
        *header_rows += u32::from(header);
    }

    fn end_block(&mut self) {
        let flow = std::mem::take(&mut self.flow);
        if flow.is_empty() {
            return;
        }
        if self.heading == Some(1) && self.title.is_none() {
            self.title = Some(flow.text.clone());
        }
        self.page.push_from(self.kind(), &flow.text, &flow.origins);
    }

    fn kind(&self) -> BlockKind {
        match self.heading {
            _ if self.code => BlockKind::Code,
            Some(level) => BlockKind::Heading { level },
            None if self.notes > 0 => BlockKind::Note,
            None if !self.lists.is_empty() => BlockKind::ListItem,
            None if self.quotes > 0 => BlockKind::Quote,
            None => BlockKind::Paragraph,
        }
    }
}

fn level_of(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// Character positions of places given in bytes.
struct Positions<'a> {
    text: &'a str,
    /// Characters before each multiple of [`MARK_BYTES`], moved up to the next character.
    marks: Vec<u32>,
}

impl<'a> Positions<'a> {
    fn new(text: &'a str) -> Self {
        let mut marks = Vec::new();
        let (mut at, mut characters) = (0, 0);
        while at < text.len() {
            marks.push(characters);
            let next = text.ceil_char_boundary((at + MARK_BYTES - at % MARK_BYTES).min(text.len()));
            characters += count(text.get(at..next).unwrap_or_default());
            at = next;
        }
        Self { text, marks }
    }

    /// Where `written`, the text of an element at `range`, stands; for text that is not there letter by letter, where the
    /// element begins.
    fn of(&self, written: &str, range: &Range<usize>) -> u32 {
        let within = self.text.get(range.clone()).and_then(|element| element.find(written)).unwrap_or(0);
        let byte = range.start + within;
        let mark = byte / MARK_BYTES;
        let from = self.text.ceil_char_boundary((mark * MARK_BYTES).min(self.text.len()));
        let before = self.marks.get(mark).copied().unwrap_or(0);
        before.saturating_add(count(self.text.get(from..byte).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests;
