//! The programs that a plan wants.

use std::collections::BTreeMap;

use crate::base::ticked;
use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::{Environment, Lab};
use crate::layers::Compiled;

/// Every program that the plan wants is there; else one error names all.
pub(super) fn require(lab: &Lab, env: &Environment, compiled: &Compiled) -> Result<(), Failure> {
    let path = env.get("PATH").unwrap_or_default();
    let found = |program: &str| which::which_in(program, Some(path), lab.paths.root()).is_ok();
    let missing: BTreeMap<_, _> = compiled
        .tools
        .iter()
        .filter(|(tool, _)| match lab.config.tools.get(*tool) {
            Some(program) => !found(program),
            None => !(found(tool) || *tool == "tofu" && found("terraform")),
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let is = if missing.len() == 1 { "is" } else { "are" };
    let mut error = Diagnostic::error(format!("{} {is} not on PATH", ticked(missing.keys())))
        .help("install what is missing, or run `scripts/tools` in a checkout of hl and `eval \"$(scripts/tools --print-env)\"`");
    for (tool, recipes) in missing {
        error = error.note(format!("`{tool}` is needed by {}", ticked(recipes)));
    }
    Err(Failure::new(Exit::Runway, error))
}
