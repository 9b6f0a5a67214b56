//! Reading order of a page: columns one after the other, everything else from top to bottom.
//!
//! A recursive cut of the page in the manner of XY-cut (Nagy & Seth 1984). Bands of a page that share a white gutter make
//! a group; whether the gutter separates columns is decided by the order of the page's content, which visits a column
//! as a whole and a table row by row, and, where that order means nothing, by whether both sides are running text.

use super::lines::{Line, by_place, in_content_order};
use super::runs::Run;

/// Columns within columns within columns.
const MAX_DEPTH: usize = 8;
/// The narrowest gutter, in font sizes.
const MIN_GUTTER: f32 = 0.8;

/// The flows of the runs at `region`, in reading order.
pub(super) fn flows(runs: &[Run], region: Vec<usize>) -> Vec<Vec<Line>> {
    let mut order = Order { runs, gutter: MIN_GUTTER * median_size(runs, &region), flows: Vec::new() };
    order.cut(region, 0);
    order.flows
}

fn median_size(runs: &[Run], region: &[usize]) -> f32 {
    let mut sizes: Vec<f32> = region.iter().filter_map(|at| runs.get(*at)).map(|run| run.size).collect();
    let middle = sizes.len() / 2;
    if sizes.is_empty() {
        return 0.0;
    }
    let (_, median, _) = sizes.select_nth_unstable_by(middle, f32::total_cmp);
    *median
}

struct Order<'a> {
    runs: &'a [Run],
    gutter: f32,
    flows: Vec<Vec<Line>>,
}

/// A stretch without text between `0` and `1`.
type Gap = (f32, f32);

/// Neighbouring bands of the page with the gaps that go through all of them.
#[derive(Default)]
struct Group {
    bands: Vec<Vec<usize>>,
    gaps: Vec<Gap>,
}

impl Order<'_> {
    fn run(&self, at: usize) -> Option<&Run> {
        self.runs.get(at)
    }

    fn cut(&mut self, region: Vec<usize>, depth: usize) {
        if depth >= MAX_DEPTH || region.len() < 4 {
            return self.leaf(region);
        }
        let mut plain = Vec::new();
        for group in self.groups(&region) {
            let (members, columns) = self.columns(group);
            match columns {
                None => plain.extend(members),
                Some(columns) => {
                    self.leaf(std::mem::take(&mut plain));
                    for column in columns {
                        self.cut(column, depth + 1);
                    }
                    plain.extend(members);
                }
            }
        }
        self.leaf(plain);
    }

    fn leaf(&mut self, mut region: Vec<usize>) {
        if region.is_empty() {
            return;
        }
        region.sort_unstable();
        match in_content_order(self.runs, &region) {
            Some(flows) => self.flows.extend(flows),
            None => self.flows.push(by_place(self.runs, &region)),
        }
    }

    fn groups(&self, region: &[usize]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for band in self.bands(region) {
            let gaps = self.gaps(&band);
            if let Some(group) = groups.last_mut() {
                let common = if group.gaps.is_empty() { Vec::new() } else { self.common(&group.gaps, &band) };
                if !common.is_empty() || (group.gaps.is_empty() && gaps.is_empty()) {
                    group.bands.push(band);
                    group.gaps = common;
                    continue;
                }
            }
            groups.push(Group { bands: vec![band], gaps });
        }
        groups
    }

    /// The region's runs by stretches of the page's height without a break.
    fn bands(&self, region: &[usize]) -> Vec<Vec<usize>> {
        let mut sorted: Vec<(usize, &Run)> = region.iter().filter_map(|at| Some((*at, self.run(*at)?))).collect();
        sorted.sort_by(|(_, a), (_, b)| a.area.v0.total_cmp(&b.area.v0));
        let mut bands: Vec<Vec<usize>> = Vec::new();
        let mut end = f32::MIN;
        for (at, run) in sorted {
            match bands.last_mut() {
                Some(band) if run.area.v0 < end => band.push(at),
                _ => bands.push(vec![at]),
            }
            end = end.max(run.area.v1);
        }
        bands
    }

    /// The gutters within a band.
    fn gaps(&self, band: &[usize]) -> Vec<Gap> {
        let mut extents: Vec<Gap> = self.extents(band);
        extents.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut gaps = Vec::new();
        let mut end = f32::MAX;
        for (u0, u1) in extents {
            if u0 - end >= self.gutter {
                gaps.push((end, u0));
            }
            end = if end == f32::MAX { u1 } else { end.max(u1) };
        }
        gaps
    }

    fn extents(&self, band: &[usize]) -> Vec<Gap> {
        band.iter().filter_map(|at| self.run(*at)).map(|run| (run.area.u0, run.area.u1)).collect()
    }

    /// What is left of `gaps` beside the runs of `band`.
    fn common(&self, gaps: &[Gap], band: &[usize]) -> Vec<Gap> {
        let mut left = gaps.to_vec();
        for (u0, u1) in self.extents(band) {
            let pieces = left.iter().flat_map(|(from, to)| [(*from, to.min(u0)), (from.max(u1), *to)]);
            left = pieces.filter(|(from, to)| to - from >= self.gutter).collect();
        }
        left
    }

    /// Takes `group` apart: its columns, if it has any, and what stands after them or is not in columns.
    fn columns(&self, mut group: Group) -> (Vec<usize>, Option<[Vec<usize>; 2]>) {
        let mut gaps = std::mem::take(&mut group.gaps);
        gaps.sort_by(|a, b| (b.1 - b.0).total_cmp(&(a.1 - a.0)));
        for (from, to) in gaps {
            let middle = f32::midpoint(from, to);
            let rest = self.trailing(&group, middle);
            let bands = group.bands.get(..group.bands.len() - rest).unwrap_or_default();
            let sides = self.sides(bands.iter().flatten().copied(), middle);
            if self.are_columns(&sides) {
                let after = group.bands.iter().skip(bands.len()).flatten().copied().collect();
                return (after, Some(sides));
            }
        }
        (group.bands.into_iter().flatten().collect(), None)
    }

    fn sides(&self, members: impl Iterator<Item = usize>, middle: f32) -> [Vec<usize>; 2] {
        let (mut left, mut right): (Vec<usize>, Vec<usize>) =
            members.partition(|at| self.run(*at).is_some_and(|run| run.area.u0 < middle));
        left.sort_unstable();
        right.sort_unstable();
        [left, right]
    }

    /// How many bands at the end have text on the left only, written after the text on the right above them: they are no
    /// part of the columns.
    fn trailing(&self, group: &Group, middle: f32) -> usize {
        let is_left = |at: &usize| self.run(*at).is_some_and(|run| run.area.u0 < middle);
        let left_only = group.bands.iter().rev().take_while(|band| band.iter().all(is_left)).count();
        let columns = group.bands.len() - left_only;
        let right = group.bands.iter().take(columns).flatten().filter(|at| !is_left(at)).max().copied();
        let after = |band: &Vec<usize>| band.iter().min().copied() > right;
        group.bands.iter().rev().take(left_only).take_while(|band| after(band)).count()
    }

    fn are_columns(&self, [left, right]: &[Vec<usize>; 2]) -> bool {
        let lines = self.line_count(left).min(self.line_count(right));
        if lines < 2 {
            return false;
        }
        let switches = switches(left, right);
        if switches <= 1 {
            return true;
        }
        let running = lines >= RUNNING_LINES && self.is_running(left) && self.is_running(right);
        running && (switches * 5 >= lines * 4 || switches <= FEW_SWITCHES || !self.goes_by_rows(left, right))
    }

    /// Whether the content goes down the page on both sides together, as it does in a table of long texts.
    fn goes_by_rows(&self, left: &[usize], right: &[usize]) -> bool {
        let mut all: Vec<usize> = left.iter().chain(right).copied().collect();
        all.sort_unstable();
        in_content_order(self.runs, &all).is_some()
    }

    fn line_count(&self, side: &[usize]) -> usize {
        let mut bases: Vec<(f32, f32)> =
            side.iter().filter_map(|at| self.run(*at)).map(|run| (run.base, run.size)).collect();
        bases.sort_by(|a, b| a.0.total_cmp(&b.0));
        let more = bases.windows(2).filter(|pair| matches!(pair, [a, b] if b.0 - a.0 > a.1 * 0.5)).count();
        more + usize::from(!bases.is_empty())
    }

    /// Whether most lines of a side fill its width: running text, not cells of a table.
    fn is_running(&self, side: &[usize]) -> bool {
        let lines = by_place(self.runs, side);
        let edges =
            lines.iter().fold((f32::MAX, f32::MIN), |(u0, u1), line| (u0.min(line.area.u0), u1.max(line.area.u1)));
        let width = edges.1 - edges.0;
        let letters: u32 = side.iter().filter_map(|at| self.run(*at)).map(|run| run.letters).sum();
        let written = |line: &Line| -> f32 {
            line.runs.iter().filter_map(|at| self.run(*at)).map(|run| run.area.u1 - run.area.u0).sum()
        };
        let full = lines.iter().filter(|line| written(line) >= 0.7 * width).count();
        full * 10 >= lines.len() * 6 && usize::try_from(letters).unwrap_or(0) >= lines.len() * LETTERS
    }
}

/// Fewest lines of a column whose content comes line by line across the page.
const RUNNING_LINES: usize = 4;
/// A column may be interrupted by a caption or a footnote of the other.
const FEW_SWITCHES: usize = 2;
/// Fewest letters in a line of a column of running text, on average.
const LETTERS: usize = 14;

/// How often the content goes from one side to the other; both are sorted.
fn switches(left: &[usize], right: &[usize]) -> usize {
    let mut all: Vec<(usize, bool)> = left.iter().map(|at| (*at, true)).collect();
    all.extend(right.iter().map(|at| (*at, false)));
    all.sort_unstable();
    all.windows(2).filter(|pair| matches!(pair, [a, b] if a.1 != b.1)).count()
}

#[cfg(test)]
#[path = "columns/tests.rs"]
mod tests;
