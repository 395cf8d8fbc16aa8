//! `platform.extract`: the scripts of a bootstrap in a directory for the owner alone.
//! It goes at the end of the run; what a killed run left goes at the next start.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::SystemTime;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::Deserialize;

use super::live::prune;
use super::told::generated;
use crate::action::{About, Action, Done, StepContext};
use crate::base::{count, if_there};
use crate::diag::{Exit, StepError};
use crate::lab::{Lock, Paths, create_dir, write};

/// `platform.extract`
#[derive(Debug, Clone, Copy)]
pub struct ExtractScripts;

/// Inputs of `platform.extract`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The texts of the scripts and of what they include, by `ADAPTER/PATH`.
    files: BTreeMap<String, String>,
}

impl Action for ExtractScripts {
    fn about(&self) -> About {
        About::of::<Inputs>("platform.extract")
            .doc("write the scripts of a platform to a directory for the owner alone; publishes `dir`")
            .repeatable()
            .never("the scripts are removed at the end of each part of a run")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let files = count(inputs.files.len(), "file");
        // The steps that use it only show what they would run.
        Ok(Done::new(format!("would write {files}"))
            .output("dir", dir(ctx).as_str())
            .changed(false))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        // The run holds the lab: no other one needs what is there.
        for left in leftovers(&ctx.lab.paths, Some(ctx.run_id)).map_err(|error| cannot(&error))? {
            remove(&left.path).map_err(|error| cannot(&error))?;
            ctx.note(format!("removed the scripts that run {} left", left.run));
        }
        let live = ctx.lab.paths.platform_live();
        for file in prune(&generated(ctx), &live)? {
            ctx.note(format!(
                "removed `{}`: no rendered file waits for a value there",
                ctx.lab.paths.show(&live.join(file))
            ));
        }
        let dir = dir(ctx);
        create_dir(&dir)?;
        for (path, text) in &inputs.files {
            if !is_inside(path) {
                let message = format!("`{path}` is not a path inside of an adapter");
                return Err(StepError::new(message).exit(Exit::Definition));
            }
            let target = dir.join("scripts").join(path);
            let there = if_there(fs::read(&target)).map_err(|error| cannot(&error))?;
            // A script that goes on from an earlier part of the run may be reading it.
            if there.as_deref() != Some(text.as_bytes()) {
                write(&target, text, 0o700)?;
            }
        }
        let files = count(inputs.files.len(), "file");
        Ok(Done::new(files)
            .output("dir", dir.as_str())
            .changed(false)
            .temporary(dir))
    }
}

/// The same in every part of a run.
fn dir(ctx: &StepContext<'_>) -> Utf8PathBuf {
    ctx.lab.paths.platform_scripts().join(ctx.run_id)
}

/// Whether a path is relative and leads nowhere else.
pub fn is_inside(path: &str) -> bool {
    let mut parts = Utf8Path::new(path).components();
    let all_normal = parts.all(|part| matches!(part, Utf8Component::Normal(_)));
    all_normal && !path.is_empty() && !path.ends_with('/') && !path.contains(['\0', '\n'])
}

fn cannot(error: &io::Error) -> StepError {
    StepError::new(format!("cannot keep the scripts private: {error}")).exit(Exit::CannotWrite)
}

fn remove(dir: &Utf8Path) -> io::Result<()> {
    if_there(fs::remove_dir_all(dir)).map(drop)
}

/// Scripts that a run left when it was killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The run.
    pub run: String,
    /// Their directory.
    pub path: Utf8PathBuf,
    /// Bytes.
    pub size: u64,
    /// When it was changed last.
    pub since: Option<SystemTime>,
}

impl Leftover {
    /// Removes it.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }
}

/// The directories of runs that do not hold the lab; `own` is a run that is left out.
///
/// # Errors
/// The directory cannot be read.
pub fn leftovers(paths: &Paths, own: Option<&str>) -> io::Result<Vec<Leftover>> {
    let Some(entries) = if_there(paths.platform_scripts().read_dir_utf8())? else {
        return Ok(Vec::new());
    };
    let holder = Lock::holder(paths).map(|holder| holder.run);
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let run = entry.file_name().to_owned();
        if own == Some(run.as_str()) || holder.as_deref() == Some(run.as_str()) {
            continue;
        }
        if !entry.file_type()?.is_dir() {
            continue;
        }
        found.push(Leftover {
            run,
            size: size(entry.path())?,
            since: entry.metadata().and_then(|meta| meta.modified()).ok(),
            path: entry.path().to_owned(),
        });
    }
    found.sort_by(|a, b| a.run.cmp(&b.run));
    Ok(found)
}

fn size(dir: &Utf8Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in dir.read_dir_utf8()? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() {
            size(entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_is_written_elsewhere() {
        for (path, inside) in [
            ("sops/scripts/key.sh", true),
            ("../x", false),
            ("a/../../x", false),
            ("/etc/x", false),
            ("", false),
        ] {
            assert_eq!(is_inside(path), inside, "{path}");
        }
    }
}
