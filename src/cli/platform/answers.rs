//! `--answer` and `--answers`: what is said without a terminal.

use std::collections::BTreeMap;
use std::fs;

use camino::Utf8Path;

use super::args::InitArgs;
use crate::cli::session::usage;
use crate::diag::{Diagnostic, Exit, Failure, Source};

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// As it was typed.
    pub(super) text: String,
    /// It came from a file, which may hold secrets.
    pub(super) by_file: bool,
}

/// The answers by key; those of the command line win.
///
/// # Errors
/// One is no `KEY=VALUE` (2, in a file 65), the file cannot be read (66).
pub(super) fn answers(cwd: &Utf8Path, args: &InitArgs) -> Result<BTreeMap<String, Given>, Failure> {
    let mut all = BTreeMap::new();
    if let Some(file) = &args.answers {
        all.extend(of_file(cwd, file)?);
    }
    for answer in &args.answer {
        let Some((key, text)) = answer.split_once('=') else {
            // What is wrong with it may be that it is a secret.
            return Err(usage("an `--answer` is not KEY=VALUE").help(
                "as in `--answer organization=acme` or `--answer k3s.pod_cidr=10.42.0.0/16`",
            ));
        };
        let given = Given {
            text: text.to_owned(),
            by_file: false,
        };
        all.insert(key.trim().to_owned(), given);
    }
    Ok(all)
}

fn of_file(cwd: &Utf8Path, file: &Utf8Path) -> Result<BTreeMap<String, Given>, Failure> {
    let text = fs::read_to_string(cwd.join(file)).map_err(|error| {
        Failure::message(Exit::Unknown, format!("cannot read `{file}`: {error}"))
    })?;
    let mut all = BTreeMap::new();
    let mut wrong = Vec::new();
    // The text of a line may be a secret: it is not shown.
    let hidden: String = text
        .chars()
        .map(|c| if c == '\n' { c } else { ' ' })
        .collect();
    let source = Source::new(file, hidden);
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            if let Some((key, text)) = trimmed.split_once('=') {
                let given = Given {
                    text: text.trim().to_owned(),
                    by_file: true,
                };
                all.insert(key.trim().to_owned(), given);
            } else {
                let place = source.at(begin..begin, "");
                wrong.push(Diagnostic::error("a line is not KEY=VALUE").at(place));
            }
        }
        begin += line.chars().count();
    }
    if wrong.is_empty() {
        return Ok(all);
    }
    Err(Failure::many(Exit::Definition, wrong))
}
