//! `env.example`: what a rehearsal takes for variables that nobody set.

use std::collections::BTreeMap;

use super::dotenv;
use super::{Provenance, Var};
use crate::diag::Failure;
use crate::lab::{Lab, variables};

/// The variables that the lab's `env.example` sets, with their lines; where
/// the lab has no such file, the table's examples of what is required.
///
/// # Errors
/// A line of it is no assignment (65).
pub fn example(lab: &Lab) -> Result<BTreeMap<String, Var>, Failure> {
    let path = lab.paths.root().join("env.example");
    let shown = lab.paths.show(&path);
    let var = |name: &str, value: &str, from| Var {
        value: value.to_owned(),
        from,
        secret: variables::is_secret(name),
    };
    if !path.is_file() {
        return Ok(variables::ALL
            .iter()
            .filter(|variable| variable.required)
            .map(|known| {
                let example = var(known.name, known.example, Provenance::Default);
                (known.name.to_owned(), example)
            })
            .collect());
    }
    let entries = dotenv::read(&path, &shown)?;
    Ok(entries
        .into_iter()
        .map(|entry| {
            let from = Provenance::File {
                path: shown.to_string(),
                line: entry.line,
            };
            (entry.name.clone(), var(&entry.name, &entry.value, from))
        })
        .collect())
}
