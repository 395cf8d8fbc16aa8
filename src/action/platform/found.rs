//! What a script found: `secrets/NAME` goes to the lab's secret store, `values/NAME`
//! into the rendered files that wait for it.

use std::collections::BTreeMap;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::inputs::Inputs;
use super::live::fill;
use super::told::{OUTPUT, Told, generated, not_made};
use crate::action::StepContext;
use crate::base::{if_there, ticked};
use crate::diag::{Exit, StepError};
use crate::lab::{Redactor, keep_secret};

/// Keeps the secrets that the script made. Those come first: what is made public
/// with them must never outlive them.
///
/// # Errors
/// One is missing, or cannot be kept (73).
pub(super) fn keep_secrets(
    ctx: &StepContext<'_>,
    inputs: &Inputs,
    told: &Told,
    output: &Utf8Path,
) -> Result<Vec<String>, StepError> {
    let mut kept = Vec::new();
    for name in &inputs.makes {
        let file = output.join("secrets").join(name);
        let value = read(&file)?;
        if told.made.contains(name) {
            // The lab has one, and it stays.
            continue;
        }
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Err(not_made(name));
        };
        keep_secret(&ctx.lab.paths.made_secrets(), name, &value)?;
        kept.push(value);
        if_there(fs::remove_file(&file)).map_err(|error| cannot(&file, &error))?;
    }
    Ok(kept)
}

/// Fills in what the script found; gives the files of `platform/live/` that it wrote.
///
/// # Errors
/// A value is missing, or is a secret.
pub(super) fn fill_in(
    ctx: &StepContext<'_>,
    inputs: &Inputs,
    told: &Told,
    kept: &[String],
    output: &Utf8Path,
) -> Result<Vec<Utf8PathBuf>, StepError> {
    let fresh = Redactor::new(kept.iter().map(String::as_str));
    let (mut values, mut missing) = (BTreeMap::new(), Vec::new());
    for name in &inputs.fills {
        let file = output.join("values").join(name);
        let Some(value) = read(&file)?.filter(|value| !value.is_empty()) else {
            missing.push(name);
            continue;
        };
        if told.secrets.text(&value) != value || fresh.text(&value) != value {
            let message = format!("the value of `{name}` holds a secret: it is not filled in");
            return Err(StepError::new(message).exit(Exit::Definition));
        }
        if value.contains(char::is_control) {
            let message = format!(
                "the value of `{name}` holds a line break or another control character: it is not filled in"
            );
            return Err(StepError::new(message).exit(Exit::Definition));
        }
        values.insert(name.clone(), value);
    }
    if !missing.is_empty() {
        let message = format!("the script found no value for {}", ticked(missing));
        return Err(StepError::new(message)
            .exit(Exit::Definition)
            .help(format!("it must write `${OUTPUT}/values/NAME`")));
    }
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let live = ctx.lab.paths.platform_live();
    let written = fill(
        &generated(ctx),
        &live,
        &inputs.templates,
        &values,
        ctx.run_id,
    )?;
    Ok(written.into_iter().map(|file| live.join(file)).collect())
}

/// The text of a file without the newline at its end.
fn read(file: &Utf8Path) -> Result<Option<String>, StepError> {
    let text = if_there(fs::read_to_string(file)).map_err(|error| cannot(file, &error))?;
    Ok(text.map(|text| text.trim_end_matches('\n').to_owned()))
}

fn cannot(file: &Utf8Path, error: &std::io::Error) -> StepError {
    let name = file.file_name().unwrap_or_default();
    StepError::new(format!(
        "cannot read what the script found as `{name}`: {error}"
    ))
    .exit(Exit::Definition)
}
