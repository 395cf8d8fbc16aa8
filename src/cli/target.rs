//! What is to be run: a recipe with its arguments, or `up`. From words to a
//! plan.

use std::collections::BTreeMap;

use clap::{Args, Command, FromArgMatches};

use super::args::UpArgs;
use super::session::{Session, usage};
use super::tail;
use crate::action::{Registry, builtin};
use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::{Environment, Lab};
use crate::layers::{self, Book, Compiled, Request, Scope, UpRequest};

/// A recipe, or `up`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Recipe(Request),
    Up(UpRequest),
}

impl From<&UpArgs> for Target {
    fn from(args: &UpArgs) -> Self {
        Self::Up(UpRequest {
            from: args.from.clone(),
            to: args.to.clone(),
            env: args.environment.clone(),
            node: args.node.clone(),
        })
    }
}

/// What a target needs to become a plan.
pub(super) struct Ready {
    pub lab: Lab,
    pub env: Environment,
    pub registry: Registry,
    pub book: Book,
}

/// Reads the words behind a verb: a recipe or `up`, its arguments, and flags
/// of ours among them. `None` when its help was asked for and given.
pub(super) fn parse(
    session: &Session,
    words: &[String],
) -> Result<Option<(Session, Target)>, Failure> {
    let Some((name, rest)) = words.split_first() else {
        return Err(usage("no recipe is named").help("`hl list` shows them"));
    };
    if name == "up" {
        let tail = tail::split(rest, &["from".into(), "to".into(), "node".into()])?;
        let command = UpArgs::augment_args(Command::new("hl up").no_binary_name(true));
        let args = command
            .try_get_matches_from(&tail.args)
            .and_then(|m| UpArgs::from_arg_matches(&m))
            .map_err(|error| {
                usage(
                    error
                        .to_string()
                        .lines()
                        .next()
                        .unwrap_or_default()
                        .trim_start_matches("error: "),
                )
                .help("usage: hl up [ENVIRONMENT] [--node NODE] [--from LAYER] [--to LAYER]")
            })?;
        return Ok(Some((session.with(tail.globals), Target::from(&args))));
    }
    let lab = session.lab()?;
    let book = layers::load(&lab.paths)?;
    let (_, recipe) = book.find(name)?;
    let own: Vec<String> = recipe
        .params
        .iter()
        .filter(|p| p.option)
        .map(|p| p.flag().trim_start_matches('-').to_owned())
        .collect();
    let tail = tail::split(rest, &own)?;
    if tail.help {
        session.data(&help(recipe))?;
        return Ok(None);
    }
    let request = Request {
        recipe: name.clone(),
        args: tail.args,
    };
    Ok(Some((session.with(tail.globals), Target::Recipe(request))))
}

/// `hl RECIPE --help`
fn help(recipe: &layers::Recipe) -> String {
    let mut lines = vec![
        recipe.doc.clone(),
        String::new(),
        format!("Usage: hl {}", layers::usage(recipe)),
    ];
    if !recipe.params.is_empty() {
        lines.push(String::new());
    }
    for param in &recipe.params {
        let name = if param.option {
            param.flag()
        } else {
            param.name.get_ref().to_uppercase()
        };
        let values: Vec<&str> = param.values.iter().map(|v| v.get_ref().as_str()).collect();
        let values = if values.is_empty() {
            String::new()
        } else {
            format!(" [{}]", values.join(", "))
        };
        lines.push(format!("  {name:<16} {}{values}", param.doc));
    }
    lines.push(String::new());
    lines.push(
        "Flags that every recipe takes: `hl --help`. What it would run: `hl show`.".to_owned(),
    );
    lines.join("\n")
}

impl Ready {
    /// Finds the lab, resolves its environment, reads its layers.
    pub(super) fn new(session: &Session, ask_doppler: bool) -> Result<Self, Failure> {
        let lab = session.lab()?;
        let book = layers::load(&lab.paths)?;
        let env = session.environment(&lab, ask_doppler)?;
        Ok(Self {
            lab,
            env,
            registry: builtin(),
            book,
        })
    }

    /// The target's plan, with what is known besides.
    pub(super) fn compile(&self, target: &Target) -> Result<Compiled, Failure> {
        let scope = Scope {
            lab: &self.lab,
            env: &self.env,
            registry: &self.registry,
        };
        match target {
            Target::Recipe(request) => self.book.compile(request, &scope).map_err(|failure| {
                match self.book.get(&request.recipe) {
                    Some((_, recipe)) if failure.exit == Exit::Usage => {
                        failure.help(format!("usage: hl {}", layers::usage(recipe)))
                    }
                    _ => failure,
                }
            }),
            Target::Up(request) => self.book.compile_up(request, &scope),
        }
    }

    /// Every program that the plan wants is there; else one error names all.
    pub(super) fn require_tools(&self, compiled: &Compiled) -> Result<(), Failure> {
        let path = self.env.get("PATH").unwrap_or_default();
        let found =
            |program: &str| which::which_in(program, Some(path), self.lab.paths.root()).is_ok();
        let missing: BTreeMap<_, _> = compiled
            .tools
            .iter()
            .filter(|(tool, _)| match self.lab.config.tools.get(*tool) {
                Some(program) => !found(program),
                None => !(found(tool) || *tool == "tofu" && found("terraform")),
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = missing.keys().map(|tool| format!("`{tool}`")).collect();
        let is = if names.len() == 1 { "is" } else { "are" };
        let mut error = Diagnostic::error(format!("{} {is} not on PATH", names.join(", ")))
            .help("install what is missing, or run `scripts/tools` in a checkout of hl and `eval \"$(scripts/tools --print-env)\"`");
        for (tool, recipes) in missing {
            let recipes: Vec<_> = recipes.iter().map(|r| format!("`{r}`")).collect();
            error = error.note(format!("`{tool}` is needed by {}", recipes.join(", ")));
        }
        Err(Failure::new(Exit::Runway, error))
    }
}
