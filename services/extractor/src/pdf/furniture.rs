//! Running headers, footers and page numbers: lines at the edge of the page that come back on other pages of the range.

use std::collections::HashMap;

use super::rows::Row;

/// How far from the top and from the bottom of the page furniture lies, as a share of its height.
const MARGIN: f32 = 0.13;
/// Lines at one edge.
const MAX_LINES: usize = 4;
/// Pages that must have a line for it to be furniture; a page number shows itself on two.
const MIN_PAGES: usize = 3;
const MIN_NUMBERED: usize = 2;
/// Of the lines at one height of the page.
const RUNNING_PERCENT: usize = 60;
/// By how many points a running line may be out of place.
const SLACK: f32 = 4.0;
/// A header is no larger than this much body text.
const MAX_SIZE: f32 = 1.25;

/// A page, as far as furniture is concerned.
pub(super) struct Edges<'a> {
    /// From 1.
    pub number: u32,
    pub label: Option<&'a str>,
    /// Top and bottom of the page.
    pub top: f32,
    pub bottom: f32,
    /// All its lines with an id each.
    pub rows: Vec<(usize, &'a Row)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Edge {
    Top,
    Bottom,
}

struct Candidate<'a> {
    id: usize,
    row: &'a Row,
    edge: Edge,
    shape: String,
    numbers: Vec<u32>,
}

/// The ids of the furniture of each page; depends on nothing but `pages` and the size of the body text. A page of which
/// nothing else would be left keeps it all.
pub(super) fn furniture(pages: &[Edges<'_>], body: f32) -> Vec<Vec<usize>> {
    let candidates: Vec<Vec<Candidate<'_>>> = pages.iter().map(candidates).collect();
    let mut seen: HashMap<(Edge, &str), Vec<(u32, &Candidate<'_>)>> = HashMap::new();
    let mut places: HashMap<(Edge, i32), Vec<(u32, &Candidate<'_>)>> = HashMap::new();
    for (page, candidates) in pages.iter().zip(&candidates) {
        for candidate in candidates {
            seen.entry((candidate.edge, &candidate.shape)).or_default().push((page.number, candidate));
            places.entry(candidate.place()).or_default().push((page.number, candidate));
        }
    }
    let known = Known { seen, places, body };
    let chosen = |(page, candidates): (&Edges<'_>, &Vec<Candidate<'_>>)| {
        let edges = [Edge::Top, Edge::Bottom];
        let ids: Vec<usize> =
            edges.iter().flat_map(|edge| outermost(candidates, *edge, |one| known.is_furniture(page, one))).collect();
        if ids.len() < page.rows.len() { ids } else { Vec::new() }
    };
    pages.iter().zip(&candidates).map(chosen).collect()
}

fn candidates<'a>(page: &Edges<'a>) -> Vec<Candidate<'a>> {
    let height = page.bottom - page.top;
    let mut rows = page.rows.clone();
    rows.sort_by(|(_, a), (_, b)| a.base.total_cmp(&b.base));
    let top = rows.iter().take(MAX_LINES * 2).take_while(|(_, row)| row.base < page.top + MARGIN * height);
    let bottom =
        rows.iter().rev().take(MAX_LINES * 2).take_while(|(_, row)| row.area.v0 > page.bottom - MARGIN * height);
    let sides = top.map(|row| (Edge::Top, row)).chain(bottom.map(|row| (Edge::Bottom, row)));
    sides.map(|(edge, (id, row))| candidate(edge, *id, row)).collect()
}

fn candidate(edge: Edge, id: usize, row: &Row) -> Candidate<'_> {
    let (shape, numbers) = shape(&row.written.text);
    Candidate { id, row, edge, shape, numbers }
}

impl Candidate<'_> {
    /// Its edge and height, the latter in steps of [`SLACK`].
    #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
    fn place(&self) -> (Edge, i32) {
        (self.edge, (self.row.base / SLACK).round() as i32)
    }
}

/// From the edge inwards as long as `running` holds, at most [`MAX_LINES`] of different height.
fn outermost(candidates: &[Candidate<'_>], edge: Edge, running: impl Fn(&Candidate<'_>) -> bool) -> Vec<usize> {
    let mut ids = Vec::new();
    let (mut lines, mut base) = (0, f32::NAN);
    for candidate in candidates.iter().filter(|candidate| candidate.edge == edge) {
        let same_line = (candidate.row.base - base).abs() <= SLACK;
        lines += usize::from(!same_line);
        if lines > MAX_LINES {
            break;
        }
        base = candidate.row.base;
        if running(candidate) {
            ids.push(candidate.id);
        } else if !candidate.row.written.text.is_empty() {
            break;
        }
    }
    ids
}

/// The candidates of all pages by what they say and by where they are.
struct Known<'a> {
    seen: HashMap<(Edge, &'a str), Vec<(u32, &'a Candidate<'a>)>>,
    places: HashMap<(Edge, i32), Vec<(u32, &'a Candidate<'a>)>>,
    body: f32,
}

impl Known<'_> {
    fn is_furniture(&self, page: &Edges<'_>, candidate: &Candidate<'_>) -> bool {
        let pages = self.alike(candidate);
        if is_numbering(&candidate.shape) {
            let counts = |(other, same): &(u32, &Candidate<'_>)| keeps_step((page.number, candidate), (*other, same));
            return is_own_number(page, candidate) || pages.filter(counts).count() >= MIN_NUMBERED;
        }
        if candidate.row.size > MAX_SIZE * self.body {
            // Large type is a chapter's title; a logo or a slide's frame has the same words every time.
            return pages.filter(|other| other.1.row.written.text == candidate.row.written.text).count() >= MIN_PAGES;
        }
        pages.count() >= MIN_PAGES && self.is_running(candidate)
    }

    /// Lines of the same shape at about the same height.
    fn alike<'s>(&'s self, candidate: &'s Candidate<'_>) -> impl Iterator<Item = (u32, &'s Candidate<'s>)> {
        let alike = self.seen.get(&(candidate.edge, candidate.shape.as_str())).map(Vec::as_slice).unwrap_or_default();
        let near = |other: &&(u32, &Candidate<'_>)| (other.1.row.base - candidate.row.base).abs() <= SLACK;
        alike.iter().filter(near).map(|(page, other)| (*page, *other))
    }

    /// Whether most pages with a line at this height have one that comes back: the first line of the text, too, stands at
    /// one height on all pages, and says the same on some.
    fn is_running(&self, candidate: &Candidate<'_>) -> bool {
        let (edge, place) = candidate.place();
        let here = (place - 1..=place + 1).filter_map(|place| self.places.get(&(edge, place))).flatten();
        let (mut all, mut coming_back) = (0, 0);
        for (_, other) in here {
            all += 1;
            coming_back += usize::from(self.alike(other).nth(1).is_some());
        }
        coming_back * 100 >= all * RUNNING_PERCENT
    }
}

/// Whether one of the numbers goes up with the pages.
fn keeps_step((page, a): (u32, &Candidate<'_>), (other_page, b): (u32, &Candidate<'_>)) -> bool {
    let step = i64::from(other_page) - i64::from(page);
    let mut pairs = a.numbers.iter().zip(&b.numbers);
    pairs.any(|(a, b)| i64::from(*b) - i64::from(*a) == step)
}

fn is_own_number(page: &Edges<'_>, candidate: &Candidate<'_>) -> bool {
    let label = page.label.map(shape).filter(|label| !label.1.is_empty());
    let numbers = &candidate.numbers;
    numbers.contains(&page.number) || label.is_some_and(|(shape, own)| shape == candidate.shape && own == *numbers)
}

/// Nothing but a number, perhaps with a word for page and the number of pages.
fn is_numbering(shape: &str) -> bool {
    let mut words = shape.split(|c: char| !c.is_alphanumeric() && c != '#').filter(|word| !word.is_empty());
    let number = |word: &str| word == "#";
    let named = |word: &str| {
        matches!(
            word,
            "page"
                | "p"
                | "pg"
                | "of"
                | "seite"
                | "von"
                | "página"
                | "de"
                | "sur"
                | "pagina"
                | "第"
                | "页"
                | "頁"
                | "ページ"
                | "第#页"
                | "第#頁"
                | "共#页"
                | "#ページ"
        )
    };
    shape.contains('#') && words.all(|word| number(word) || named(word))
}

/// A line without what changes from page to page, and the numbers that do. A Roman number alone is a
/// number, too.
fn shape(text: &str) -> (String, Vec<u32>) {
    let text = text.trim();
    if let Some(number) = roman(text.trim_matches(|c: char| !c.is_alphanumeric())) {
        return ("#".to_owned(), vec![number]);
    }
    // The pages before the first chapter have small Roman numbers behind their running title.
    if let Some((title, last)) = text.rsplit_once(' ')
        && let Some(number) = roman(last).filter(|_| last.starts_with(|c: char| c.is_ascii_lowercase()))
    {
        let (mut shape, mut numbers) = shape(title);
        shape.push_str(" #");
        numbers.push(number);
        return (shape, numbers);
    }
    let (mut shape, mut numbers, mut digits) = (String::with_capacity(text.len()), Vec::new(), None::<u32>);
    for c in text.chars() {
        match c.to_digit(10) {
            Some(digit) => {
                if digits.is_none() {
                    shape.push('#');
                }
                digits = Some(digits.unwrap_or(0).saturating_mul(10).saturating_add(digit));
            }
            None => {
                numbers.extend(digits.take());
                shape.extend(c.to_lowercase());
            }
        }
    }
    numbers.extend(digits);
    (shape, numbers)
}

/// A Roman number of at most eight digits, all of one case.
fn roman(text: &str) -> Option<u32> {
    let value = |c: u8| match c.to_ascii_lowercase() {
        b'i' => Some(1),
        b'v' => Some(5),
        b'x' => Some(10),
        b'l' => Some(50),
        b'c' => Some(100),
        _ => None,
    };
    let one_case = text.bytes().all(|c| c.is_ascii_lowercase()) || text.bytes().all(|c| c.is_ascii_uppercase());
    if text.is_empty() || text.len() > 8 || !one_case {
        return None;
    }
    let digits: Vec<u32> = text.bytes().map(value).collect::<Option<_>>()?;
    let (mut sum, mut next) = (0_u32, 0);
    for digit in digits.iter().rev() {
        sum = if *digit < next { sum.checked_sub(*digit)? } else { sum + digit };
        next = next.max(*digit);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_numbers() {
        assert_eq!(shape("Page 12 of 300"), ("page # of #".to_owned(), vec![12, 300]));
        assert_eq!(shape("- xiv -"), ("#".to_owned(), vec![14]));
        assert_eq!(roman("mix"), None);
        assert_eq!(roman("XLII"), Some(42));
        for (shape, numbering) in
            [("# / #", true), ("- # -", true), ("page # of #", true), ("chapter #", false), ("page", false)]
        {
            assert_eq!(is_numbering(shape), numbering, "{shape}");
        }
    }
}
