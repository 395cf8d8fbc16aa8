//! No circles of imports between files: a file that names things imports no file
//! that does things. Facades (`mod.rs`, `lib.rs`) are looked through, unit tests
//! left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::arch::all;

/// The circles that are still there. None is added; one that is gone goes from
/// here too.
const KNOWN: &[&str] = &[
    "hl::layers::assemble hl::layers::builder hl::layers::request",
    "hl::layers::check::inputs hl::layers::check::recipes hl::layers::check::steps hl::layers::check::templates hl::layers::instances hl::layers::reach hl::layers::template",
    "hl::report::screen hl::report::terminal",
];

/// A crate's name, then the modules down to a module or an item.
type Names = Vec<String>;

#[derive(Debug)]
struct File {
    module: Names,
    is_facade: bool,
    /// What it names: the path as written, and the name that it has in the file.
    named: Vec<(Names, String)>,
}

impl File {
    /// `None` for programs, and for files that are only compiled for tests.
    fn new(path: &Path, text: &str) -> Option<Self> {
        let path = path.to_str()?.strip_suffix(".rs")?;
        let path = match path.strip_prefix("src/") {
            Some(path) => format!("hl/{path}"),
            None => path.strip_prefix("crates/")?.replacen("/src", "", 1),
        };
        let mut module: Names = path.split('/').map(str::to_owned).collect();
        let last = module.last()?.clone();
        if last == "main" || last.ends_with("tests") || last == "testing" {
            return None;
        }
        let is_facade = last == "mod" || last == "lib";
        if is_facade {
            module.pop();
        }
        let mut code = text;
        for tests in ["#[cfg(test)]\nmod tests", "#[cfg(test)]\n#[path"] {
            code = code.split(tests).next().unwrap_or_default();
        }
        let lines = code
            .lines()
            .map(|l| l.split("//").next().unwrap_or_default());
        Some(Self {
            named: named(&lines.collect::<Vec<_>>().join("\n")),
            module,
            is_facade,
        })
    }

    /// A path that is written in this file, from the crate on.
    fn absolute(&self, path: &[String]) -> Option<Names> {
        let mut from = self.module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                from.truncate(1);
                rest = &path[1..];
            }
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    from.pop();
                    rest = &rest[1..];
                }
            }
            _ if self.is_facade => {}
            _ => return None,
        }
        from.extend_from_slice(rest);
        Some(from)
    }
}

/// The paths of all `use`s, and those of the crate that stand in the code.
fn named(code: &str) -> Vec<(Names, String)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    for statement in code.split(';') {
        let used = statement
            .match_indices("use ")
            .map(|(at, _)| statement.split_at(at))
            .find(|(before, tree)| {
                let begins = before.is_empty() || before.ends_with(['\n', ' ']);
                begins && tree.chars().all(|c| is_name(c) || "{}, \n*".contains(c))
            });
        let (text, tree) = used.unwrap_or((statement, ""));
        leaves(tree.trim_start_matches("use "), &[], &mut found);
        for root in ["crate::", "super::"] {
            for (at, _) in text.match_indices(root) {
                let (before, path) = text.split_at(at);
                if !before.ends_with(is_name) {
                    let end = path.find(|c| !is_name(c)).unwrap_or(path.len());
                    leaves(path.split_at(end).0, &[], &mut found);
                }
            }
        }
    }
    found
}

/// Each path of a `use` tree, as `a::{b, c::{self, d as e}}`.
fn leaves(tree: &str, above: &[String], found: &mut Vec<(Names, String)>) {
    let tree = tree.trim();
    let (head, inner) = match tree.split_once('{') {
        Some((head, inner)) => (head, inner.rsplit_once('}').map(|(inner, _)| inner)),
        None => (tree, None),
    };
    let (head, alias) = match head.split_once(" as ") {
        Some((head, alias)) => (head, Some(alias.trim().to_owned())),
        None => (head, None),
    };
    let mut path = above.to_vec();
    let names = head.split("::").map(str::trim);
    path.extend(
        names
            .filter(|name| !name.is_empty() && *name != "self")
            .map(str::to_owned),
    );
    let Some(inner) = inner else {
        if let Some(last) = path.last() {
            let name = alias.unwrap_or_else(|| last.clone());
            found.push((path, name));
        }
        return;
    };
    let mut depth = 0_usize;
    let split = inner.split(|c| {
        depth = match c {
            '{' => depth + 1,
            '}' => depth.saturating_sub(1),
            _ => depth,
        };
        c == ',' && depth == 0
    });
    for tree in split.collect::<Vec<_>>() {
        leaves(tree, &path, found);
    }
}

/// All files, and where the names of facades lead.
struct House {
    files: Vec<File>,
    at: BTreeMap<Names, usize>,
}

impl House {
    fn new(texts: &[(PathBuf, String)]) -> Self {
        let files: Vec<File> = texts.iter().filter_map(|(p, t)| File::new(p, t)).collect();
        let at = files.iter().enumerate().map(|(i, f)| (f.module.clone(), i));
        Self {
            at: at.collect(),
            files,
        }
    }

    /// The file that declares what a path names; none for a facade itself.
    fn declares(&self, path: &[String], depth: usize) -> Option<usize> {
        let known = |length: &usize| self.at.contains_key(&path[..*length]);
        let length = (1..=path.len()).rev().find(known)?;
        let file = self.at[&path[..length]];
        if !self.files[file].is_facade {
            return Some(file);
        }
        let (name, below) = path[length..].split_first()?;
        let (exported, _) = self.files[file].named.iter().find(|(_, n)| n == name)?;
        let mut full = self.files[file].absolute(exported)?;
        full.extend_from_slice(below);
        (depth < 6 && full != path).then(|| self.declares(&full, depth + 1))?
    }

    /// Which files each file imports.
    fn edges(&self) -> Vec<BTreeSet<usize>> {
        let of = |(at, file): (usize, &File)| {
            let paths = file.named.iter().filter(|_| !file.is_facade);
            paths
                .filter_map(|(path, _)| self.declares(&file.absolute(path)?, 0))
                .filter(|to| *to != at)
                .collect()
        };
        self.files.iter().enumerate().map(of).collect()
    }

    fn circles(&self) -> BTreeSet<String> {
        let edges = self.edges();
        let mut search = Tarjan {
            edges: &edges,
            order: vec![0; edges.len()],
            low: vec![0; edges.len()],
            seen: 0,
            open: Vec::new(),
            circles: Vec::new(),
        };
        for at in 0..edges.len() {
            search.visit(at);
        }
        let name = |at: usize| self.files[at].module.join("::");
        let circles = search.circles.into_iter();
        circles
            .map(|circle| {
                let mut names: Vec<String> = circle.into_iter().map(name).collect();
                names.sort();
                names.join(" ")
            })
            .collect()
    }
}

/// Tarjan's strongly connected components, those of more than one file.
struct Tarjan<'a> {
    edges: &'a [BTreeSet<usize>],
    /// When a file was first seen; 0 is not yet.
    order: Vec<usize>,
    low: Vec<usize>,
    seen: usize,
    open: Vec<usize>,
    circles: Vec<Vec<usize>>,
}

impl Tarjan<'_> {
    fn visit(&mut self, at: usize) {
        if self.order[at] > 0 {
            return;
        }
        self.seen += 1;
        self.order[at] = self.seen;
        self.low[at] = self.seen;
        self.open.push(at);
        for next in self.edges[at].iter().copied() {
            if self.order[next] == 0 {
                self.visit(next);
                self.low[at] = self.low[at].min(self.low[next]);
            } else if self.open.contains(&next) {
                self.low[at] = self.low[at].min(self.order[next]);
            }
        }
        if self.low[at] == self.order[at] {
            let begin = self.open.iter().position(|open| *open == at).unwrap();
            let circle = self.open.split_off(begin);
            if circle.len() > 1 {
                self.circles.push(circle);
            }
        }
    }
}

#[test]
fn no_file_imports_what_imports_it() {
    let mut texts = all("src");
    texts.extend(all("crates"));
    let found = House::new(&texts).circles();
    let known: BTreeSet<String> = KNOWN.iter().map(|&circle| circle.to_owned()).collect();
    let new: Vec<_> = found.difference(&known).collect();
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "new: {new:#?}\nno more: {gone:#?}"
    );
}

#[test]
fn circles_are_found_through_facades_and_nested_uses() {
    let house = [
        ("src/lib.rs", "mod a;\nmod b;"),
        (
            "src/a/mod.rs",
            "mod one;\nmod two;\npub use one::{self, One as First};",
        ),
        (
            "src/a/one.rs",
            "use std::fs;\nuse super::two::{Two, deep::{self, er}};",
        ),
        (
            "src/a/two.rs",
            "/// `crate::b`\nfn two() { let _ = crate::a::First; }",
        ),
        (
            "src/b.rs",
            "use crate::a::one;\n#[cfg(test)]\nmod tests { use crate::c; }",
        ),
        ("src/c.rs", "use crate::b::B;"),
        ("crates/x/src/d.rs", "use super::e::E;"),
        (
            "crates/x/src/e.rs",
            "pub(in crate::d) fn e() {}\nuse crate::d::D;",
        ),
    ];
    let texts = house.map(|(path, text)| (PathBuf::from(path), text.to_owned()));
    let circles = House::new(&texts).circles();
    assert_eq!(
        circles.into_iter().collect::<Vec<_>>(),
        ["hl::a::one hl::a::two", "x::d x::e"]
    );
}
