//! Doppler's values over the weaker sources, under the stronger ones.

use std::collections::BTreeMap;
use std::time::Duration;

use super::doppler::{Answer, Question, ask};
use super::loader::Gate;
use super::{DopplerUse, LoadOptions, Provenance, Var};
use crate::diag::{Diagnostic, Failure};
use crate::lab::{Lab, Redactor, variables};

/// How long Doppler may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Names that Doppler's own `doppler run` never sets either.
const RESERVED: &[&str] = &["PATH", "PS1", "HOME"];

/// Asks Doppler and lays its values over `vars`. With `auto`, one that nobody
/// set up is no error.
pub(super) fn apply(
    lab: &Lab,
    options: &LoadOptions,
    auto: bool,
    vars: &mut BTreeMap<String, Var>,
    gate: &mut Gate<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<DopplerUse, Failure> {
    let tool = lab.config.tools.get("doppler").map(String::as_str);
    let settings = &lab.config.doppler;
    let answer = ask(&Question {
        program: tool.unwrap_or("doppler"),
        dir: lab.paths.root(),
        env: environment(options, vars),
        project: unless(vars, "DOPPLER_PROJECT", settings.project.as_deref()),
        config: unless(vars, "DOPPLER_CONFIG", settings.config.as_deref()),
        timeout: TIMEOUT,
    });
    match answer {
        Ok(answer) => Ok(lay(answer, vars, gate, warnings)),
        Err(problem) if auto && problem.is_not_set_up() => Ok(DopplerUse::Off(
            "`mode` is \"auto\" in `[doppler]` of `hl.toml`, and it is not set up here".to_owned(),
        )),
        Err(problem) => {
            let token_from = vars.get("DOPPLER_TOKEN").map(|var| var.from.to_string());
            let redactor = Redactor::new(secrets(vars));
            let mut failure = problem.failure(token_from.as_deref());
            for found in &mut failure.diagnostics {
                found.message = redactor.text(&found.message);
            }
            Err(failure)
        }
    }
}

/// The program's environment: that of the process, and Doppler's own variables
/// from wherever they are.
fn environment(options: &LoadOptions, vars: &BTreeMap<String, Var>) -> BTreeMap<String, String> {
    let mut env = options.process.clone();
    for (name, var) in vars.iter().filter(|(name, _)| name.starts_with("DOPPLER_")) {
        env.insert(name.clone(), var.value.clone());
    }
    env
}

/// The lab's setting, unless a variable says otherwise.
fn unless<'a>(
    vars: &BTreeMap<String, Var>,
    name: &str,
    setting: Option<&'a str>,
) -> Option<&'a str> {
    let said = vars.get(name).is_some_and(|var| !var.value.is_empty());
    setting.filter(|_| !said)
}

fn secrets(vars: &BTreeMap<String, Var>) -> impl Iterator<Item = &str> {
    vars.values().flat_map(Var::secrets)
}

fn lay(
    answer: Answer,
    vars: &mut BTreeMap<String, Var>,
    gate: &mut Gate<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> DopplerUse {
    let mut differ = Vec::new();
    for (name, value) in answer.values {
        if RESERVED.contains(&name.as_str()) {
            continue;
        }
        match vars.get(&name).map(|var| (&var.from, &var.value)) {
            Some((Provenance::Process, own)) => {
                if *own != value && !name.starts_with("DOPPLER_") {
                    differ.push(format!("`{name}`"));
                }
            }
            Some((Provenance::Flag, _)) => {}
            _ if !gate.admits(&name, "Doppler", true) => {}
            _ => {
                let secret = variables::is_secret_from_doppler(&name, &value);
                let from = Provenance::Doppler;
                vars.insert(
                    name,
                    Var {
                        value,
                        from,
                        secret,
                    },
                );
            }
        }
    }
    if !differ.is_empty() {
        warnings.push(
            Diagnostic::warning(format!(
                "Doppler and the process environment differ in {}: the process environment wins",
                differ.join(", ")
            ))
            .help("unset what should come from Doppler"),
        );
    }
    let Some(reason) = answer.fallback else {
        return DopplerUse::Asked;
    };
    let reason = Redactor::new(secrets(vars)).text(&reason);
    warnings.push(
        Diagnostic::warning(format!(
            "Doppler failed, and its fallback file is used: {reason}"
        ))
        .note("values that changed since the last success are not in it"),
    );
    DopplerUse::Fallback
}
