//! That no script would be told a secret by its context, which is a file.

use super::render::Rendered;
use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::{Environment, Paths, Redactor, kept_secret};

/// Looks at the contexts of all scripts, before anything of them is written.
///
/// # Errors
/// Some hold a secret, or the store of secrets cannot be read (65).
pub fn check_contexts(
    paths: &Paths,
    env: &Environment,
    rendered: &Rendered,
) -> Result<(), Failure> {
    let stages = &rendered.pipeline.stages;
    let secrets = Redactor::new(env.secrets());
    for name in stages
        .iter()
        .flat_map(|entry| entry.secrets.iter().chain(&entry.makes))
    {
        let value = match env.get(name) {
            Some(value) => Some(value.to_owned()),
            None => kept_secret(&paths.made_secrets(), name)?,
        };
        secrets.learn(value.as_deref());
    }
    let mut findings = Vec::new();
    for entry in stages {
        let text = serde_json::to_string(&entry.context).map_err(|error| {
            Failure::message(Exit::Bug, format!("cannot write a context: {error}"))
        })?;
        if secrets.is_in(text.as_bytes()) {
            let message = format!(
                "the context of `{}` would hold a secret: nothing was done",
                entry.name
            );
            let help = "a script gets secrets by variables: name them in its `secrets`";
            findings.push(Diagnostic::error(message).help(help));
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::many(Exit::Definition, findings))
}
