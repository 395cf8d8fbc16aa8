//! A recipe: what it takes, and for an operator a form that starts it. A dry run of any
//! recipe that is listed; a live one where the lab says `remote = true`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};

use super::extract::InPath;
use super::filters;
use super::frame::{Frame, page};
use super::opened::{Opened, opened};
use super::problem::Problem;
use super::visitor::{Fields, Operator, Reader};
use crate::app::Caller;
use crate::app::detached::{DetachedCommand, Started, start as start_detached};
use crate::base::{Signal, StopSource};
use crate::layers::{self, ListedParam, ListedRecipe, listed};

/// How long a run may take to begin; then its start is stopped as by Ctrl-C.
const PATIENCE: Duration = Duration::from_secs(50);

/// Lines of a start that had no run.
const LINES: usize = 400;

#[derive(Template)]
#[template(path = "recipe.html")]
struct RecipePage {
    frame: Frame,
    name: String,
    usage: String,
    doc: String,
    layer: String,
    remote: bool,
    fields: Vec<Field>,
}

/// A parameter.
struct Field {
    /// Of the form, and on the page.
    key: String,
    name: String,
    doc: String,
    flag: bool,
    number: bool,
    required: bool,
    /// What counts when the field is empty.
    default: String,
    values: Vec<String>,
}

#[derive(Template)]
#[template(path = "ended.html")]
struct EndedPage {
    frame: Frame,
    recipe: String,
    dry: bool,
    code: u8,
    said: Vec<String>,
    errors: Vec<String>,
}

/// `/recipes/NAME`
pub(super) async fn recipe(
    reader: Reader,
    InPath(name): InPath<String>,
) -> Result<Response, Problem> {
    let mut frame = reader.frame("Recipe");
    let shown = opened(&reader.shared, move |opened| {
        let clean = &opened.clean;
        let (layer, recipe) = find(opened, &name)?;
        frame.title = clean.text(&recipe.name);
        Ok(RecipePage {
            frame,
            name: recipe.name.clone(),
            usage: clean.text(&recipe.usage),
            doc: clean.text(&recipe.doc),
            layer: clean.text(&layer),
            remote: recipe.remote,
            fields: recipe
                .params
                .iter()
                .map(|param| field(opened, param))
                .collect(),
        })
    })
    .await?;
    Ok(page(&shown))
}

/// `/recipes/NAME`, sent.
pub(super) async fn start(
    _: Reader,
    InPath(name): InPath<String>,
    operator: Operator,
) -> Result<Response, Problem> {
    let Operator(sent) = operator;
    let shared = Arc::clone(&sent.shared);
    let frame = Frame::of("Nothing was started", &sent.login);
    opened(&shared, move |opened| {
        let (_, recipe) = find(opened, &name)?;
        let dry = sent.fields.get("how") != "live";
        if !dry && !recipe.remote {
            let why =
                "The lab does not let this recipe be started here: it has no `remote = true`.";
            return Err(Problem::refused(why));
        }
        let words = words(&recipe, &sent.fields).map_err(Problem::bad_form)?;
        let command = command(opened, dry, &recipe.name, words);
        let mut patience = Patience::default();
        let started = start_detached(&command, &mut patience);
        match started.map_err(|failure| opened.problem(&failure))? {
            Started::Begun { run, .. } => Ok(Redirect::to(&format!("/runs/{run}")).into_response()),
            Started::Ended { code, said, stderr } => {
                let some = |text: &str| {
                    let mut lines = opened.clean.lines(text);
                    lines.truncate(LINES);
                    lines
                };
                Ok(page(&EndedPage {
                    frame,
                    recipe: recipe.name,
                    dry,
                    code,
                    said: some(&said),
                    errors: some(&stderr),
                }))
            }
        }
    })
    .await
}

/// A recipe that is listed, with the name of its layer.
fn find(opened: &Opened, name: &str) -> Result<(String, ListedRecipe), Problem> {
    let book = layers::load(&opened.lab.paths).map_err(|failure| opened.problem(&failure))?;
    let found = book.find(name).ok();
    let found = found.filter(|(_, recipe)| !recipe.private && recipe.name.get_ref() == name);
    found
        .map(|(layer, recipe)| (layer.name.clone(), listed(recipe)))
        .ok_or_else(|| Problem::not_found("The lab has no recipe of that name."))
}

fn field(opened: &Opened, param: &ListedParam) -> Field {
    let clean = &opened.clean;
    let default = param.shown_default(&opened.lab.config.lab);
    Field {
        key: key(&param.name),
        name: clean.text(&param.name),
        doc: clean.text(&param.doc),
        flag: param.kind == "bool" && param.option,
        number: param.kind == "int",
        required: param.required,
        default: clean.text(&default),
        values: clean.all(&param.values),
    }
}

/// The name of a parameter's field.
fn key(param: &str) -> String {
    format!("p-{param}")
}

/// The arguments that the fields say. None of them can be taken for anything else than
/// the value of its parameter.
fn words(recipe: &ListedRecipe, fields: &Fields) -> Result<Vec<OsString>, String> {
    let mut words = Vec::new();
    let mut skipped: Option<&str> = None;
    for param in &recipe.params {
        let value = fields.get(&key(&param.name)).trim();
        let shown = &param.name;
        if value.contains(['\0', '\n', '\r']) {
            return Err(format!("`{shown}` must be one line."));
        }
        match (param.option, value) {
            (true, "") => {}
            (true, value) => {
                let name = param.name.replace('_', "-");
                words.push(format!("--{name}={value}").into());
            }
            (false, "") if param.required => return Err(format!("`{shown}` is needed.")),
            (false, "") => skipped = skipped.or(Some(&param.name)),
            (false, value) if value.starts_with('-') => {
                return Err(format!("`{shown}` cannot begin with `-`."));
            }
            (false, value) => match skipped {
                Some(before) => return Err(format!("with `{shown}`, `{before}` is needed too.")),
                None => words.push(value.into()),
            },
        }
    }
    Ok(words)
}

/// This program with the lab and the variables of the daemon; what was meant for the
/// daemon alone stays with it.
fn command(opened: &Opened, dry: bool, recipe: &str, words: Vec<OsString>) -> DetachedCommand {
    let caller: &Caller = &opened.shared.caller;
    let root = opened.lab.paths.root();
    let mut args: Vec<OsString> = vec!["--lab".into(), root.as_str().into()];
    for (name, value) in &caller.set {
        args.extend(["--set".into(), format!("{name}={value}").into()]);
    }
    args.extend(dry.then(|| "--dry-run".into()));
    args.push(recipe.into());
    args.extend(words);
    let own = std::env::vars_os().map(|(name, _)| name);
    let without = own.filter(|name| name.to_str().and_then(|name| caller.var(name)).is_none());
    DetachedCommand {
        program: PathBuf::from("/proc/self/exe"),
        args,
        dir: PathBuf::from(root.as_str()),
        set: caller
            .process
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        without: without.collect(),
        captured: true,
    }
}

/// Stops a start that takes too long, once.
#[derive(Debug, Default)]
struct Patience {
    since: Option<Instant>,
    over: bool,
}

impl StopSource for Patience {
    fn arrived(&mut self) -> Option<Signal> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let late = !self.over && since.elapsed() >= PATIENCE;
        self.over |= late;
        late.then_some(Signal::Interrupt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> ListedRecipe {
        let param = |name: &str, option: bool, required: bool| ListedParam {
            name: name.to_owned(),
            doc: String::new(),
            kind: "string",
            option,
            required,
            default: None,
            values: Vec::new(),
        };
        ListedRecipe {
            name: "r".to_owned(),
            doc: String::new(),
            usage: String::new(),
            params: vec![
                param("what", false, true),
                param("env", false, false),
                param("where", false, false),
                param("dry_cut", true, false),
            ],
            remote: false,
        }
    }

    fn said(pairs: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let pairs = pairs.iter();
        let fields = pairs.map(|(name, value)| (format!("p-{name}"), (*value).to_owned()));
        let words = words(&recipe(), &fields.collect::<Vec<_>>().into())?;
        Ok(words
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect())
    }

    #[test]
    fn a_value_is_never_taken_for_a_flag() {
        let all = [("what", "a b"), ("env", "dev"), ("dry_cut", "--yes")];
        assert_eq!(said(&all).unwrap(), ["a b", "dev", "--dry-cut=--yes"]);
        assert_eq!(said(&[("what", " x ")]).unwrap(), ["x"]);
        for wrong in [
            &[("env", "dev")][..],
            &[("what", "--yes")],
            &[("what", "-")],
            &[("what", "x"), ("where", "y")],
            &[("what", "x\ny")],
        ] {
            assert!(said(wrong).is_err(), "{wrong:?}");
        }
        // What is no parameter is not looked at.
        assert_eq!(said(&[("what", "x"), ("kill", "y")]).unwrap(), ["x"]);
    }
}
