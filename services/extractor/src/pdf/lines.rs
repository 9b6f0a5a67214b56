//! Lines of runs, and flows of lines that are read one after the other.

use super::runs::{Area, Run};

/// Runs beside each other, in reading order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// Indices into the page's runs.
    pub runs: Vec<usize>,
    pub area: Area,
    /// Of its largest run.
    pub base: f32,
    pub size: f32,
}

impl Line {
    fn of(at: usize, run: &Run) -> Self {
        Self { runs: vec![at], area: run.area, base: run.base, size: run.size }
    }

    fn add(&mut self, at: usize, run: &Run) {
        self.runs.push(at);
        if run.size > self.size {
            (self.base, self.size) = (run.base, run.size);
        }
        let area = &mut self.area;
        area.u0 = area.u0.min(run.area.u0);
        area.u1 = area.u1.max(run.area.u1);
        area.v0 = area.v0.min(run.area.v0);
        area.v1 = area.v1.max(run.area.v1);
    }
}

/// Whether two stretches stand on one line: the lower half of the smaller is within the other.
fn beside(a: &Area, b: &Area) -> bool {
    let overlap = a.v1.min(b.v1) - a.v0.max(b.v0);
    overlap >= 0.5 * (a.v1 - a.v0).min(b.v1 - b.v0)
}

/// How far a run may reach back into the one before and still stand after it, in font sizes.
const REACH_BACK: f32 = 1.0;

/// Lines of `region`, a list of runs in content order, where that order can be believed: it goes down, or to the right.
/// A step up to the right begins another flow; so does a step back up, of which few are believed, and only between
/// flows that lie above each other. `None` when the order means nothing.
pub(super) fn in_content_order(runs: &[Run], region: &[usize]) -> Option<Vec<Vec<Line>>> {
    let mut parts: Vec<Vec<Vec<Line>>> = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    let mut flows: Vec<Vec<Line>> = Vec::new();
    let mut before: Option<&Run> = None;
    for (at, run) in region.iter().filter_map(|at| Some((*at, runs.get(*at)?))) {
        match before.map_or(Step::Down, |before| Step::between(before, run)) {
            Step::Beside => match lines.last_mut() {
                Some(line) => line.add(at, run),
                None => lines.push(Line::of(at, run)),
            },
            Step::Down => lines.push(Line::of(at, run)),
            Step::UpRight => {
                flows.push(std::mem::replace(&mut lines, vec![Line::of(at, run)]));
            }
            Step::Back => {
                flows.push(std::mem::replace(&mut lines, vec![Line::of(at, run)]));
                parts.push(std::mem::take(&mut flows));
            }
        }
        before = Some(run);
    }
    flows.push(lines);
    parts.push(flows);
    above_each_other(parts)
}

enum Step {
    Beside,
    Down,
    UpRight,
    Back,
}

impl Step {
    fn between(before: &Run, run: &Run) -> Self {
        let to_the_right = run.area.u0 >= before.area.u1 - REACH_BACK * before.size.min(run.size);
        match (beside(&before.area, &run.area), run.base > before.base) {
            (true, _) if to_the_right => Self::Beside,
            (true, _) => Self::Back,
            (false, true) => Self::Down,
            (false, false) if to_the_right => Self::UpRight,
            (false, false) => Self::Back,
        }
    }
}

/// Parts sorted from top to bottom, when no two of them lie beside each other.
fn above_each_other(mut parts: Vec<Vec<Vec<Line>>>) -> Option<Vec<Vec<Line>>> {
    let extent = |part: &Vec<Vec<Line>>| {
        let lines = part.iter().flatten();
        lines.fold((f32::MAX, f32::MIN), |(v0, v1), line| (v0.min(line.area.v0), v1.max(line.area.v1)))
    };
    parts.retain(|part| part.iter().any(|flow| !flow.is_empty()));
    parts.sort_by(|a, b| extent(a).0.total_cmp(&extent(b).0));
    let clear = parts.windows(2).all(|pair| match pair {
        [above, below] => extent(above).1 <= extent(below).0 + TOUCH,
        _ => true,
    });
    clear.then(|| parts.into_iter().flatten().filter(|flow| !flow.is_empty()).collect())
}

/// Points by which parts above each other may overlap.
const TOUCH: f32 = 3.0;

/// Lines of `region` by place alone: from top to bottom, each from left to right.
pub(super) fn by_place(runs: &[Run], region: &[usize]) -> Vec<Line> {
    let mut sorted: Vec<(usize, &Run)> = region.iter().filter_map(|at| Some((*at, runs.get(*at)?))).collect();
    sorted.sort_by(|(_, a), (_, b)| a.base.total_cmp(&b.base));
    let mut lines: Vec<Line> = Vec::new();
    for (at, run) in sorted {
        match lines.iter_mut().rev().take(LOOK_BACK).find(|line| beside(&line.area, &run.area)) {
            Some(line) => line.add(at, run),
            None => lines.push(Line::of(at, run)),
        }
    }
    for line in &mut lines {
        line.runs.sort_by(|a, b| match (runs.get(*a), runs.get(*b)) {
            (Some(a), Some(b)) => a.area.u0.total_cmp(&b.area.u0),
            _ => std::cmp::Ordering::Equal,
        });
    }
    lines.sort_by(|a, b| a.base.total_cmp(&b.base));
    lines
}

/// Lines above the current one that a tall or raised run may still belong to.
const LOOK_BACK: usize = 3;
