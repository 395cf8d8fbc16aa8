//! The steps of a plan as a graph: each level of needs is a row, and what needs
//! stands below what is needed.

use std::collections::BTreeMap;

use crate::plan::{Plan, needs, sort};

/// A graph of more steps is no picture any more.
const MOST: usize = 400;

/// Sizes, in pixels of the picture.
const WIDTH: usize = 190;
const HEIGHT: usize = 46;
const GAP: usize = 22;
const FALL: usize = 34;
const EDGE: usize = 8;

/// A picture of a plan.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Graph {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) boxes: Vec<Node>,
    /// Paths, as SVG writes them.
    pub(super) edges: Vec<String>,
}

/// A step in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Its place in the plan.
    pub(super) step: usize,
    pub(super) x: usize,
    pub(super) y: usize,
}

#[expect(clippy::unused_self, reason = "the template asks a node")]
impl Node {
    pub(super) fn width(&self) -> usize {
        WIDTH
    }

    pub(super) fn height(&self) -> usize {
        HEIGHT
    }

    /// Where its two lines of text begin.
    pub(super) fn text_x(&self) -> usize {
        self.x + 12
    }

    pub(super) fn name_y(&self) -> usize {
        self.y + 19
    }

    pub(super) fn state_y(&self) -> usize {
        self.y + 36
    }
}

/// The picture; nothing for a plan that is too big or goes in a circle.
pub(super) fn graph(plan: &Plan) -> Option<Graph> {
    if plan.steps.is_empty() || plan.steps.len() > MOST {
        return None;
    }
    let needs = needs(plan, |step| &step.needs);
    let order = sort(&needs).ok()?;
    let mut levels: Vec<Vec<usize>> = Vec::new();
    let mut level_of = BTreeMap::new();
    for step in order {
        let above = needs.get(step)?.iter();
        let above = above.filter_map(|need| level_of.get(need)).max();
        let level = above.map_or(0, |level| level + 1);
        level_of.insert(step, level);
        if levels.len() <= level {
            levels.resize(level + 1, Vec::new());
        }
        levels.get_mut(level)?.push(step);
    }
    let widest = levels.iter().map(Vec::len).max().unwrap_or_default();
    let width = row_width(widest) + 2 * EDGE;
    let mut places: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (number, level) in levels.iter_mut().enumerate() {
        // Below the middle of what it needs, so that lines cross little.
        level.sort_by_key(|step| {
            let above = needs.get(*step).into_iter().flatten();
            let xs: Vec<usize> = above
                .filter_map(|need| places.get(need).map(|(x, _)| *x))
                .collect();
            (xs.iter().sum::<usize>() / xs.len().max(1), *step)
        });
        for (column, step) in level.iter().enumerate() {
            // From the left: what fits on a telephone is where it looks first.
            let x = EDGE + column * (WIDTH + GAP);
            places.insert(*step, (x, EDGE + number * (HEIGHT + FALL)));
        }
    }
    let edges = needs.iter().enumerate().flat_map(|(step, needs)| {
        let places = &places;
        needs
            .iter()
            .filter_map(move |need| Some(edge(*places.get(need)?, *places.get(&step)?)))
    });
    Some(Graph {
        width,
        height: levels.len() * (HEIGHT + FALL) - FALL + 2 * EDGE,
        edges: edges.collect(),
        boxes: places
            .iter()
            .map(|(step, (x, y))| Node {
                step: *step,
                x: *x,
                y: *y,
            })
            .collect(),
    })
}

fn row_width(boxes: usize) -> usize {
    (boxes * (WIDTH + GAP)).saturating_sub(GAP)
}

/// From below one box to the top of another.
fn edge(from: (usize, usize), to: (usize, usize)) -> String {
    let (x1, y1) = (from.0 + WIDTH / 2, from.1 + HEIGHT);
    let (x2, y2) = (to.0 + WIDTH / 2, to.1);
    let bend = FALL / 2;
    format!(
        "M{x1} {y1}C{x1} {} {x2} {} {x2} {y2}",
        y1 + bend,
        y2.saturating_sub(bend)
    )
}

/// A name in so many letters, as it fits into a box.
pub(super) fn short(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return name.to_owned();
    }
    let mut short: String = name.chars().take(letters.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Step, StepId};

    fn plan(steps: &[(&str, &[&str])]) -> Plan {
        let steps = steps.iter().map(|(id, needs)| Step {
            needs: needs.iter().map(|need| StepId::from(*need)).collect(),
            ..Step::new(*id, "command")
        });
        Plan::new("r", steps.collect())
    }

    #[test]
    fn what_needs_stands_below_what_is_needed() {
        let plan = plan(&[
            ("r/a", &[]),
            ("r/b", &["r/a"]),
            ("r/c", &["r/a"]),
            ("r/d", &["r/b", "r/c"]),
            ("r/e", &[]),
        ]);
        let graph = graph(&plan).unwrap();
        let y = |step: usize| graph.boxes[step].y;
        assert!(y(0) < y(1) && y(1) == y(2) && y(2) < y(3));
        assert_eq!(y(4), y(0));
        assert_eq!(graph.edges.len(), 4);
        assert_eq!(graph.width, 2 * WIDTH + GAP + 2 * EDGE);
        assert_eq!(graph.height, 3 * HEIGHT + 2 * FALL + 2 * EDGE);
        for one in &graph.boxes {
            assert!(one.x + WIDTH + EDGE <= graph.width && one.y + HEIGHT + EDGE <= graph.height);
            for other in graph.boxes.iter().filter(|other| other.step != one.step) {
                assert!(one.y != other.y || one.x.abs_diff(other.x) >= WIDTH + GAP);
            }
        }
    }

    #[test]
    fn what_is_no_picture_has_none() {
        assert_eq!(graph(&plan(&[])), None);
        assert_eq!(graph(&plan(&[("r/a", &["r/b"]), ("r/b", &["r/a"])])), None);
        let names: Vec<String> = (0..=MOST).map(|number| format!("r/{number}")).collect();
        let steps: Vec<(&str, &[&str])> = names.iter().map(|id| (id.as_str(), &[][..])).collect();
        assert_eq!(graph(&plan(&steps)), None);
        assert!(graph(&plan(&steps[1..])).is_some());
    }

    #[test]
    fn long_names_are_cut_and_say_so() {
        assert_eq!(short("plan", 4), "plan");
        assert_eq!(short("l1-template(debian-13)", 8), "l1-temp…");
    }
}
