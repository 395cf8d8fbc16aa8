//! `hl show`: a recipe as it would run, or where each variable came from.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::ShowArgs;
use super::session::{Session, usage};
use super::target::{Ready, parse};
use crate::diag::Failure;
use crate::lab::environment;
use crate::layers::{self, ArgSource, Compiled};
use crate::plan::{Step, StepId, sanitize, short_duration};
use crate::report::Paint;

pub(super) fn show(session: &Session, args: &ShowArgs) -> Result<(), Failure> {
    if args.variables {
        return variables(session);
    }
    if args.recipe.is_empty() {
        return Err(usage("no recipe is named")
            .help("`hl list` shows them; `hl show --env` shows the variables"));
    }
    let Some((session, target)) = parse(session, &args.recipe)? else {
        return Ok(());
    };
    // What a recipe does is known without secrets, so Doppler is not asked.
    let ready = Ready::new(&session, false)?;
    let compiled = ready.compile(&target)?;
    if session.globals.json {
        return session.json(&json!({ "schema": "hl.show/1", "recipe": compiled }));
    }
    session.data(&text(&session, &compiled))
}

fn text(session: &Session, compiled: &Compiled) -> String {
    let palette = session.data_palette();
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut line = |text: String| writeln!(out, "{text}").unwrap_or_default();
    for recipe in &compiled.recipes {
        line(format!(
            "{}  {}",
            palette.paint(Paint::Bold, sanitize(&recipe.text)),
            palette.paint(Paint::Dim, sanitize(&recipe.doc))
        ));
        for arg in &recipe.args {
            let from = match arg.from {
                ArgSource::Given => "given",
                ArgSource::Dependent => "given by the recipe that needs it",
                ArgSource::Default => "default",
            };
            line(format!(
                "    {} = {}  {}",
                arg.name,
                plain(&arg.value),
                palette.paint(Paint::Dim, format_args!("# {from}"))
            ));
        }
        for step in compiled
            .plan
            .steps
            .iter()
            .filter(|step| step.id.as_str().split('/').next() == Some(&recipe.instance))
        {
            step_text(step, palette, &mut line);
        }
    }
    if !compiled.missing.is_empty() {
        line(String::new());
        for (name, recipes) in &compiled.missing {
            let recipes: Vec<&str> = recipes.iter().map(String::as_str).collect();
            line(format!(
                "{} {name} is not set; needed by {}",
                palette.paint(Paint::Warn, "missing:"),
                recipes.join(", ")
            ));
        }
        line("`hl show --env` shows every variable and where it comes from".to_owned());
    }
    out
}

fn step_text(step: &Step, palette: crate::report::Palette, line: &mut impl FnMut(String)) {
    let mut about = vec![step.action.clone()];
    if let Some(timeout) = step.timeout_seconds {
        about.push(format!("at most {}", short_duration(timeout.duration())));
    }
    if let Some(retry) = &step.retry {
        about.push(format!("{} more tries", retry.times));
    }
    if step.approve {
        about.push("asks first".to_owned());
    }
    if step.finally {
        about.push("always".to_owned());
    }
    line(format!(
        "  {} {}",
        palette.paint(Paint::Active, &step.id),
        palette.paint(Paint::Dim, format_args!("({})", about.join(", ")))
    ));
    if !step.needs.is_empty() {
        let needs: Vec<_> = step.needs.iter().map(StepId::as_str).collect();
        line(format!("      after {}", needs.join(", ")));
    }
    if let Some(when) = &step.when {
        line(format!("      when {}", sanitize(when)));
    }
    for (name, value) in &step.with {
        line(format!("      {name}: {}", plain(value)));
    }
}

fn plain(value: &Value) -> String {
    sanitize(value.as_str().unwrap_or(&value.to_string()))
}

fn variables(session: &Session) -> Result<(), Failure> {
    let lab = session.lab()?;
    let env = session.environment(&lab, true)?;
    let book = layers::load(&lab.paths)?;
    let named: Vec<&str> = book
        .layers()
        .iter()
        .flat_map(|l| l.env.iter().chain(&l.optional_env))
        .map(|n| n.get_ref().as_str())
        .collect();
    let rows = environment::list(&env, named);
    if session.globals.json {
        return session.json(&json!({ "schema": "hl.env/1", "variables": rows }));
    }
    let palette = session.data_palette();
    let width =
        |text: fn(&environment::Listed) -> usize| rows.iter().map(text).max().unwrap_or(0).min(40);
    let (left, middle) = (
        width(|r| r.name.len()),
        width(|r| r.value.as_ref().map_or(7, String::len)),
    );
    let mut out = String::new();
    for row in &rows {
        let value = sanitize(row.value.as_deref().unwrap_or("not set"));
        let about = row
            .from
            .as_ref()
            .map_or_else(|| row.doc.to_owned(), ToString::to_string);
        writeln!(
            out,
            "{:<left$}  {value:<middle$}  {}",
            row.name,
            palette.paint(Paint::Dim, format_args!("# {about}"))
        )
        .unwrap_or_default();
    }
    session.data(&out)
}
