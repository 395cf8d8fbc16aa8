//! All recipes of a lab: found, read, looked up.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};

use super::check;
use super::model::{Layer, Recipe};
use super::parse::parse;
use super::renamed::other_name;
use crate::action::{Registry, builtin};
use crate::diag::{Diagnostic, Exit, Failure, Source, did_you_mean};
use crate::lab::{Config, Paths};

/// The layers of a lab and their recipes.
#[derive(Debug, Clone)]
pub struct Book {
    pub(super) layers: Vec<Layer>,
    /// Layer and place of each recipe; of a name that is there twice, the first.
    places: HashMap<String, (usize, usize)>,
}

/// Reads all `layers/*/layer.toml`. Only their shape is checked, so that
/// `hl list` is quick; when something is wrong, the whole report is made:
/// every finding of [`Book::check`] too.
pub fn load(paths: &Paths) -> Result<Book, Failure> {
    load_with(paths, builtin)
}

/// [`load`] with other actions.
pub fn load_with(paths: &Paths, actions: impl FnOnce() -> Registry) -> Result<Book, Failure> {
    let (book, mut findings) = read(paths)?;
    if findings.is_empty() {
        return Ok(book);
    }
    findings.extend(check::findings(&book, &actions(), None));
    sort(&mut findings, &book);
    Err(Failure::many(Exit::Definition, findings))
}

fn read(paths: &Paths) -> Result<(Book, Vec<Diagnostic>), Failure> {
    let folder = paths.layers();
    let mut layers = Vec::new();
    let mut findings = Vec::new();
    for dir in folders(paths, &folder)? {
        let file = dir.join("layer.toml");
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                let path = paths.show(&file);
                findings.push(Diagnostic::error(format!("cannot read `{path}`: {error}")));
                continue;
            }
        };
        let source = Source::new(paths.show(&file), text);
        let (layer, wrong) = parse(source, &paths.show(&dir));
        layers.push(layer);
        findings.extend(wrong);
    }
    if layers.is_empty() && findings.is_empty() {
        return Err(Failure::message(
            Exit::Definition,
            format!("the lab at `{}` has no layers", paths.root()),
        )
        .help("recipes are in `layers/<id>-<name>/layer.toml`; `hl new DIR` writes a lab that has them"));
    }
    layers.sort_by_key(order_key);
    let book = Book::of(layers);
    findings.extend(clashes(&book));
    Ok((book, findings))
}

/// The folders in `layers/`, sorted by name.
fn folders(paths: &Paths, folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Failure> {
    let entries = match folder.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let path = paths.show(folder);
            return Err(Failure::message(
                Exit::Definition,
                format!("cannot read `{path}`: {error}"),
            )
            .help("make it readable for this user; was `hl` run with sudo before?"));
        }
    };
    let mut found = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if !entry.file_name().starts_with('.') => found.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => {
                let path = paths.show(folder);
                return Err(Failure::message(
                    Exit::Definition,
                    format!("cannot read `{path}`: {error}"),
                ));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `l2` before `l10`.
fn order_key(layer: &Layer) -> (String, u64, String) {
    let id = layer.id.get_ref();
    let word = id.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = id.trim_start_matches(word).parse().unwrap_or(0);
    (word.to_owned(), number, id.clone())
}

/// Names that are taken twice across layers.
fn clashes(book: &Book) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut layers: HashMap<&str, &Layer> = HashMap::new();
    for layer in &book.layers {
        let id = layer.id.get_ref().as_str();
        if let Some(other) = layers.get(id) {
            findings.push(
                Diagnostic::error(format!("layer `{id}` is defined twice"))
                    .at(layer.source.at(layer.id.span(), "the second one"))
                    .note(format!("the first one is in `{}`", other.dir)),
            );
        } else {
            layers.insert(id, layer);
        }
    }
    let mut seen: HashMap<&str, (&Layer, &Recipe)> = HashMap::new();
    for (layer, recipe) in book.recipes() {
        let name = recipe.name.get_ref().as_str();
        if layers.contains_key(name) {
            findings.push(
                Diagnostic::error(format!("recipe `{name}` clashes with the layer of that id"))
                    .at(layer.source.at(recipe.name.span(), "a layer's id runs its default recipe"))
                    .help(format!("give it another name, and make it the layer's default: `default = \"{name}-...\"`")),
            );
        }
        match seen.get(name) {
            Some((first, other)) => {
                let place = first.source.at(other.name.span(), "");
                let (line, _) = place.line_column();
                findings.push(
                    Diagnostic::error(format!("recipe `{name}` is defined twice"))
                        .at(layer.source.at(recipe.name.span(), "the second one"))
                        .note(format!("the first one is in {}:{line}", place.path())),
                );
            }
            None => {
                seen.insert(name, (layer, recipe));
            }
        }
    }
    findings
}

/// By layer, then by place.
fn sort(findings: &mut [Diagnostic], book: &Book) {
    let files: HashMap<&Utf8Path, usize> = book
        .layers
        .iter()
        .enumerate()
        .map(|(at, layer)| (layer.source.path.as_path(), at))
        .collect();
    findings.sort_by_key(|finding| {
        let place = finding.place.as_ref();
        place.map(|place| (files.get(place.path()).copied(), place.span.start))
    });
}

impl Book {
    /// The book of these layers.
    pub(super) fn of(layers: Vec<Layer>) -> Self {
        let mut places = HashMap::new();
        for (at, layer) in layers.iter().enumerate() {
            for (place, recipe) in layer.recipes.iter().enumerate() {
                places
                    .entry(recipe.name.get_ref().clone())
                    .or_insert((at, place));
            }
        }
        Self { layers, places }
    }

    /// The layers in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// All recipes with their layers, in order.
    pub fn recipes(&self) -> impl Iterator<Item = (&Layer, &Recipe)> + Clone {
        self.layers
            .iter()
            .flat_map(|layer| layer.recipes.iter().map(move |recipe| (layer, recipe)))
    }

    /// What can be typed after `hl`: layers with a default, and recipes that are not private.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        let layers = self
            .layers
            .iter()
            .filter(|layer| layer.default.is_some())
            .map(|layer| layer.id.get_ref().as_str());
        let recipes = self
            .recipes()
            .filter(|(_, recipe)| !recipe.private)
            .map(|(_, recipe)| recipe.name.get_ref().as_str());
        layers.chain(recipes)
    }

    /// The recipe of that name; a renamed one has two.
    pub fn get(&self, name: &str) -> Option<(&Layer, &Recipe)> {
        let other = || self.places.get(other_name(name)?);
        let (layer, recipe) = self.places.get(name).or_else(other)?;
        let layer = self.layers.get(*layer)?;
        Some((layer, layer.recipes.get(*recipe)?))
    }

    /// The layer of that id.
    pub fn layer(&self, id: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.id.get_ref() == id)
    }

    /// What a user means by a word: a recipe, or a layer's default recipe.
    /// Anything else is [`Exit::Unknown`] with a suggestion.
    pub fn find(&self, word: &str) -> Result<(&Layer, &Recipe), Failure> {
        if let Some(found) = self.get(word) {
            return Ok(found);
        }
        if let Some(layer) = self.layer(word) {
            let Some(default) = &layer.default else {
                let names: Vec<_> = layer
                    .recipes
                    .iter()
                    .map(|r| r.name.get_ref().as_str())
                    .collect();
                return Err(Failure::message(
                    Exit::Unknown,
                    format!("layer `{word}` has no default recipe"),
                )
                .help(format!(
                    "its recipes: {}",
                    super::fields::join(&names, "and")
                )));
            };
            if let Some(found) = self.get(default.get_ref()) {
                return Ok(found);
            }
        }
        let mut failure = Failure::message(Exit::Unknown, format!("there is no recipe `{word}`"));
        if let Some(name) = crate::diag::closest(word, self.names()) {
            failure = failure.help(format!("did you mean `{name}`?"));
        }
        Err(failure.help("`hl list` shows all recipes"))
    }

    /// Everything that can be wrong with the layer files: names, actions and
    /// their inputs, templates, needs, timeouts. All findings together.
    pub fn check(&self, actions: &Registry, config: &Config) -> Result<(), Failure> {
        let mut findings = check::findings(self, actions, Some(config));
        if findings.is_empty() {
            return Ok(());
        }
        sort(&mut findings, self);
        Err(Failure::many(Exit::Definition, findings))
    }

    /// The layer of that id, or [`Exit::Unknown`] with a suggestion.
    pub fn find_layer(&self, id: &str) -> Result<usize, Failure> {
        let found = self.layers.iter().position(|l| l.id.get_ref() == id);
        found.ok_or_else(|| {
            let ids = self.layers.iter().map(|l| l.id.get_ref().as_str());
            Failure::message(Exit::Unknown, format!("there is no layer `{id}`"))
                .helps(did_you_mean(id, ids))
        })
    }
}
