//! Lock files of tofu's providers, in the lab.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use crate::action::{Done, StepContext};
use crate::base::{count, quoted};
use crate::diag::StepError;

/// As OpenTofu and Terraform call it.
const LOCK: &str = ".terraform.lock.hcl";
/// How deep below `.build` and `.states` one may be.
const DEPTH: usize = 4;

/// Each can be read, and locks a provider. One that no longer fits a module is renewed
/// by `tofu.init`.
pub(super) fn check(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let mut found = Vec::new();
    let paths = &ctx.lab.paths;
    for dir in [paths.build().join("tofu"), paths.out().join(".states")] {
        walk(&dir, DEPTH, &mut found);
    }
    for file in &found {
        let text = fs::read_to_string(file);
        let whole = text.as_ref().is_ok_and(|text| text.contains("provider \""));
        if !whole {
            let shown = paths.show(file);
            let why = text
                .err()
                .map_or_else(|| "it locks no provider".to_owned(), |e| e.to_string());
            return Err(
                StepError::new(format!("the lock file `{shown}` cannot be used: {why}")).help(
                    format!(
                        "`rm -f {}`: the next init writes it anew",
                        quoted(file.as_str())
                    ),
                ),
            );
        }
    }
    Ok(Done::new(match found.len() {
        0 => "none yet".to_owned(),
        many => format!("{} in step", count(many, "lock file")),
    }))
}

/// A directory that is not there, or not ours to read, has none.
fn walk(dir: &Utf8Path, depth: usize, found: &mut Vec<Utf8PathBuf>) {
    let Ok(entries) = dir.read_dir_utf8() else {
        return;
    };
    for entry in entries.flatten() {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if entry.file_name() == LOCK {
            found.push(entry.into_path());
        } else if is_dir && depth > 0 && entry.file_name() != "providers" {
            walk(entry.path(), depth - 1, found);
        }
    }
    found.sort();
}
