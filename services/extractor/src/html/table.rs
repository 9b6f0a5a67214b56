//! Tables: which of them hold data, and their rows as lines.

use ego_tree::NodeRef;
use heimdex_schemas::BlockKind;
use scraper::node::Element;
use scraper::{ElementRef, Node};

use super::flow::Flow;
use crate::PageBuilder;
use crate::tidy::count;

const CELL_GAP: &str = " | ";
/// A cell that spans rows is repeated in each, unless it is longer: then it would drown the others.
const REPEATED_CHARS: u32 = 200;
/// Cells of a table that are repeated; more only say that somebody wants to fill the memory.
const MAX_REPEATED: u32 = 20_000;
/// Columns up to which spans are followed.
const MAX_COLUMNS: usize = 1_000;
/// Columns that one cell may claim (HTML standard, section 4.9.11, allows 1000).
const MAX_SPAN: u32 = 64;
/// A cell with more text than this in paragraphs, headings or code is a part of a page's layout.
const LAYOUT_CHARS: usize = 1_000;

/// A table that is being read.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    /// Cells that reach into rows to come, by column.
    reaching: Vec<Option<(u32, Cell)>>,
    /// Rows in `thead`.
    in_head: bool,
    /// Cells repeated so far.
    repeated: u32,
    cell: Option<Cell>,
    pub flow: Flow,
    /// Tables open within this one; their cells are read as words of the cell they are in.
    pub nested: u32,
}

#[derive(Default)]
struct Row {
    cells: Vec<Cell>,
    in_head: bool,
}

#[derive(Clone, Default)]
struct Cell {
    flow: Flow,
    heading: bool,
    columns: u32,
    rows: u32,
}

/// Whether the `table` at `node` relates cells in rows and columns; others only lay out a page.
pub(super) fn holds_data(node: NodeRef<'_, Node>, element: &Element) -> bool {
    if matches!(element.attr("role"), Some("presentation" | "none")) {
        return false;
    }
    let (mut cells, mut rows, mut blocks, mut characters) = (0, 0, 0, 0);
    // Everything is looked at up to the first table within, so nesting costs nothing.
    for inner in node.descendants().skip(1) {
        if let Some(text) = inner.value().as_text() {
            characters += text.trim().len();
        }
        match inner.value().as_element().map(Element::name) {
            Some("th" | "thead" | "caption") => return true,
            Some("table") => break,
            Some("tr") => rows += 1,
            Some("td") => cells += 1,
            Some("p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "pre" | "form" | "article" | "section") => blocks += 1,
            _ => {}
        }
    }
    let roomy = blocks > cells && characters > LAYOUT_CHARS * cells.max(1);
    let within =
        node.ancestors().skip(1).any(|above| ElementRef::wrap(above).is_some_and(|above| above.value().name() == "td"));
    cells > rows && rows > 0 && !roomy && !(within && blocks > 0)
}

impl Table {
    pub(super) fn open(&mut self, element: &Element) {
        match element.name() {
            "thead" => self.in_head = true,
            "tbody" | "tfoot" => self.in_head = false,
            "tr" => self.rows.push(Row { in_head: self.in_head, ..Row::default() }),
            "td" | "th" => {
                let span = |name: &str| element.attr(name).and_then(|value| value.trim().parse().ok()).unwrap_or(1);
                let heading = element.name() == "th";
                let (columns, rows) = (span("colspan").clamp(1, MAX_SPAN), span("rowspan"));
                self.cell = Some(Cell { flow: Flow::default(), heading, columns, rows });
                self.flow = Flow::default();
            }
            _ => {}
        }
    }

    pub(super) fn close(&mut self, name: &str) {
        match name {
            "td" | "th" => self.close_cell(),
            "tr" => self.end_row(),
            "thead" => self.in_head = false,
            _ => {}
        }
    }

    pub(super) fn in_cell(&self) -> bool {
        self.cell.is_some()
    }

    fn close_cell(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        let cell = Cell { flow: std::mem::take(&mut self.flow), ..cell };
        self.fill_row();
        let Some(row) = self.rows.last_mut() else { return };
        let short = count(&cell.flow.text) <= REPEATED_CHARS;
        let repeat = cell.rows > 1 && short && row.cells.len() < MAX_COLUMNS;
        let columns = if row.cells.len() < MAX_COLUMNS { cell.columns } else { 1 };
        for column in 0..columns {
            let place = row.cells.len();
            if repeat {
                self.reaching.resize(self.reaching.len().max(place + 1), None);
                if let Some(reaching) = self.reaching.get_mut(place) {
                    *reaching = Some((cell.rows, cell.clone()));
                }
            }
            // A head over several columns names each; a value stands in the first.
            let shown = column == 0 || (short && (cell.heading || row.in_head));
            row.cells.push(if shown { cell.clone() } else { Cell { heading: cell.heading, ..Cell::default() } });
        }
    }

    /// Puts cells that reach down from above at the end of the newest row, as long as they are next to it.
    fn fill_row(&mut self) {
        let Some(row) = self.rows.last_mut() else { return };
        while let Some(Some((_, cell))) = self.reaching.get(row.cells.len()).filter(|_| self.repeated < MAX_REPEATED) {
            row.cells.push(cell.clone());
            self.repeated += 1;
        }
    }

    fn end_row(&mut self) {
        self.fill_row();
        for reaching in &mut self.reaching {
            *reaching = reaching.take().and_then(|(rows, cell)| (rows > 1).then_some((rows - 1, cell)));
        }
        let open = self.reaching.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.reaching.truncate(open);
    }

    /// Adds the table to the page.
    pub(super) fn finish(self, page: &mut PageBuilder) {
        let lines: Vec<(bool, Flow)> =
            self.rows.iter().map(|row| (row.is_header(), row.line())).filter(|(_, line)| !line.is_empty()).collect();
        let header = lines.iter().take_while(|(header, _)| *header).count();
        // Row headings alone make no column names.
        let header = if header == lines.len() { usize::from(header > 1) } else { header };
        let mut text = Flow::default();
        for (at, (_, line)) in lines.iter().enumerate() {
            text.join(if at == 0 { "" } else { "\n" }, line);
        }
        let header_rows = u32::try_from(header).unwrap_or(u32::MAX);
        page.push_from(BlockKind::Table { header_rows }, &text.text, &text.origins);
    }
}

impl Row {
    fn is_header(&self) -> bool {
        let mut filled = self.cells.iter().filter(|cell| !cell.flow.is_empty()).peekable();
        self.in_head || (filled.peek().is_some() && filled.all(|cell| cell.heading))
    }

    /// The cells up to the last that is not empty.
    fn line(&self) -> Flow {
        let used = self.cells.iter().rposition(|cell| !cell.flow.is_empty()).map_or(0, |last| last + 1);
        let mut line = Flow::default();
        for (at, cell) in self.cells.iter().take(used).enumerate() {
            line.join(if at == 0 { "" } else { CELL_GAP }, &cell.flow);
        }
        line
    }
}
