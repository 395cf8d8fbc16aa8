//! `hl show`: a recipe as it would run, or where each variable came from.

use serde_json::{Value, json};

use super::args::ShowArgs;
use super::session::{Session, usage};
use super::target::parse;
use super::variables::variables;
use crate::base::{Lines, short_duration};
use crate::diag::{Failure, hl, say};
use crate::lab::Environment;
use crate::layers::{ArgSource, Compiled};
use crate::plan::{Step, StepId, sanitize};
use crate::report::Paint;

pub(super) fn show(session: &Session, args: &ShowArgs) -> Result<(), Failure> {
    if let Some(pair) = set_the_old_way(args) {
        return Err(
            usage("`--env` of `show` lists the variables, and sets none")
                .help(hl(format!("show ... --set {pair}")).say(" sets it")),
        );
    }
    if args.recipe.is_empty() && args.flags.variables {
        return variables(session);
    }
    if args.recipe.is_empty() {
        return Err(usage("no recipe is named").help(
            say("`hl list` shows them; ")
                .hl("env")
                .say(" shows the variables"),
        ));
    }
    let Some(parsed) = parse(session, &args.recipe, args.flags)? else {
        return Ok(());
    };
    let session = &parsed.session;
    if parsed.flags.variables {
        return variables(session);
    }
    // What a recipe does is known without secrets, so Doppler is not asked.
    let loaded = session.load(false)?;
    let compiled = loaded.compile(parsed.target.request()?)?;
    if session.globals.json {
        return session.json(&json!({ "schema": "hl.show/1", "recipe": compiled }));
    }
    session.data(&text(session, &compiled, &loaded.env))
}

/// The pair of `--env KEY=VALUE`, which set a variable before 0.2.
fn set_the_old_way(args: &ShowArgs) -> Option<&String> {
    let first = args.recipe.first().filter(|_| args.flags.variables);
    let behind = args.recipe.windows(2).find(|words| words[0] == "--env");
    let pair = first.or(behind.map(|words| &words[1]));
    pair.filter(|pair| pair.contains('='))
}

fn text(session: &Session, compiled: &Compiled, env: &Environment) -> String {
    let palette = session.data_palette();
    let dim = |text: &str| palette.paint(Paint::Dim, format_args!("# {}", sanitize(text)));
    let mut out = String::new();
    let mut line = |text: String| out.line(text.trim_end());
    for recipe in &compiled.recipes {
        line(format!(
            "{}  {}",
            palette.paint(Paint::Bold, sanitize(&recipe.text)),
            dim(&recipe.doc)
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
                dim(from)
            ));
        }
        let vars = recipe.env.iter().map(|name| {
            let from = env.var(name).map(|var| var.from.to_string());
            format!("{name} ({})", from.as_deref().unwrap_or("not set"))
        });
        listed("variables", &vars.collect::<Vec<_>>(), &mut line);
        let tools = compiled
            .tools
            .iter()
            .filter(|(_, of)| of.contains(&recipe.name));
        let tools: Vec<String> = tools.map(|(tool, _)| tool.clone()).collect();
        listed("tools", &tools, &mut line);
        let own = |step: &&Step| step.id.recipe() == recipe.instance;
        for step in compiled.plan.steps.iter().filter(own) {
            step_text(step, palette, &mut line);
        }
    }
    if !compiled.missing.is_empty() {
        let names: Vec<&str> = compiled.missing.keys().map(String::as_str).collect();
        line(String::new());
        line(format!(
            "{} {}",
            palette.paint(Paint::Warn, "not set:"),
            names.join(", ")
        ));
        line(session.text(
            hl("env").say(" shows where each variable comes from, and asks Doppler where it is on"),
        ));
    }
    out
}

fn listed(what: &str, names: &[String], line: &mut impl FnMut(String)) {
    if !names.is_empty() {
        line(format!("    {what}: {}", names.join(", ")));
    }
}

/// The steps that are waited for; many of one recipe are counted.
fn after(needs: &[StepId]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for group in needs.chunk_by(|a, b| a.recipe() == b.recipe()) {
        match group {
            [_, _, _, ..] => {
                parts.push(format!("{} steps of {}", group.len(), group[0].recipe()));
            }
            few => parts.extend(few.iter().map(ToString::to_string)),
        }
    }
    parts.join(", ")
}

fn step_text(step: &Step, palette: crate::report::Palette, line: &mut impl FnMut(String)) {
    let mut about = vec![step.action.clone()];
    about.push(match step.timeout_seconds {
        Some(timeout) => format!("at most {}", short_duration(timeout.duration())),
        None => "no limit".to_owned(),
    });
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
        line(format!("      after {}", after(&step.needs)));
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
