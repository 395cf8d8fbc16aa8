//! Recipes that depend on each other in a circle.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::layers::Book;

/// The way round each circle: under its first recipe, what comes after it, and
/// itself at the end. Circles that share a recipe are told one at a time.
pub(super) fn circles(book: &Book) -> BTreeMap<&str, Vec<&str>> {
    let place: HashMap<&str, usize> = book
        .recipes()
        .enumerate()
        .map(|(at, (_, recipe))| (recipe.name.get_ref().as_str(), at))
        .collect();
    let mut search = Search {
        book,
        open: Vec::new(),
        depth: HashMap::new(),
        told: HashSet::new(),
        found: BTreeMap::new(),
    };
    let mut left = HashSet::new();
    for (_, recipe) in book.recipes() {
        search.enter(recipe.name.get_ref(), &left);
        while let Some((name, next)) = search.open.last_mut() {
            let name = *name;
            let dep = book
                .get(name)
                .and_then(|(_, recipe)| recipe.deps.get(*next))
                .map(|dep| dep.get_ref().split_whitespace().next())
                .map(|dep| dep.map(|dep| present(book, dep)));
            *next += 1;
            match dep {
                Some(Some(dep)) => {
                    search.circle(name, dep, &place);
                    search.enter(dep, &left);
                }
                Some(None) => {}
                None => {
                    search.open.pop();
                    search.depth.remove(name);
                    left.insert(name);
                }
            }
        }
    }
    search.found
}

/// The name that a recipe has in its layer file: a renamed one is found by two.
fn present<'b>(book: &'b Book, name: &'b str) -> &'b str {
    let found = book.get(name);
    found.map_or(name, |(_, recipe)| recipe.name.get_ref().as_str())
}

/// A walk over dependencies that comes to each recipe once.
struct Search<'b> {
    book: &'b Book,
    /// The recipes on the way, each with its next dependency.
    open: Vec<(&'b str, usize)>,
    /// Where they are on the way.
    depth: HashMap<&'b str, usize>,
    told: HashSet<&'b str>,
    found: BTreeMap<&'b str, Vec<&'b str>>,
}

impl<'b> Search<'b> {
    fn enter(&mut self, name: &'b str, left: &HashSet<&str>) {
        let new = !left.contains(name) && !self.depth.contains_key(name);
        if new && self.book.get(name).is_some() {
            self.depth.insert(name, self.open.len());
            self.open.push((name, 0));
        }
    }

    /// Notes the circle that a dependency closes, if it does.
    fn circle(&mut self, from: &'b str, dep: &'b str, place: &HashMap<&str, usize>) {
        let Some(begin) = self.depth.get(dep) else {
            return;
        };
        if self.told.contains(from) || self.told.contains(dep) {
            return;
        }
        let round: Vec<&str> = self
            .open
            .iter()
            .skip(*begin)
            .map(|(name, _)| *name)
            .collect();
        self.told.extend(round.iter().copied());
        let first = round
            .iter()
            .enumerate()
            .min_by_key(|(_, name)| place.get(**name))
            .map_or(0, |(at, _)| at);
        let mut names = round.iter().cycle().skip(first).take(round.len() + 1);
        if let Some(start) = names.next() {
            self.found.insert(*start, names.copied().collect());
        }
    }
}
