//! The action `clean.remove`.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Surroundings, survey};
use crate::action::{About, Action, Done, StepContext};
use crate::base::{count, if_there};
use crate::diag::StepError;
use crate::diag::{Exit, Failure};

/// Removes files and directories of the lab that runs made.
#[derive(Debug, Clone, Copy)]
pub struct CleanRemove;

/// Inputs of `clean.remove`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Paths relative to the lab. What git tracks, environment files,
    /// `site/`, `hl.toml`, and tofu states that hold resources stay.
    #[schemars(with = "Vec<String>")]
    paths: Vec<Utf8PathBuf>,
}

impl Action for CleanRemove {
    fn about(&self) -> About {
        About::of::<Inputs>("clean.remove")
            .doc("remove files and directories that runs made")
            .never("it looks first, and removes what is there")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let (_, remove) = judged(ctx)?;
        for (path, size) in &remove {
            ctx.note(format!("would remove {path} ({})", bytes(*size)));
        }
        Ok(told("would remove", &remove).changed(!remove.is_empty()))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let (around, remove) = judged(ctx)?;
        for (path, size) in &remove {
            ctx.note(format!("removing {path} ({})", bytes(*size)));
        }
        let mut failed: Option<StepError> = None;
        let mut left = 0_usize;
        for (path, _) in &remove {
            let absolute = around.root.join(path);
            if let Err(error) = take_away(absolute.as_std_path()) {
                left += 1;
                failed.get_or_insert_with(|| {
                    StepError::io("remove", path, &error)
                        .help(format!("remove it yourself: `sudo rm -rf {absolute}`"))
                });
                continue;
            }
            empty_parents(&around.root, path);
        }
        match failed {
            None => Ok(told("removed", &remove).changed(!remove.is_empty())),
            Some(error) if left > 1 => Err(error.help(format!(
                "{left} paths are left in all; run it again after that"
            ))),
            Some(error) => Err(error),
        }
    }
}

/// What of the inputs may go, judged now.
fn judged(ctx: &StepContext<'_>) -> Result<(Surroundings, Vec<(Utf8PathBuf, u64)>), StepError> {
    let inputs: Inputs = ctx.inputs()?;
    let around =
        Surroundings::look(ctx.lab.paths.root()).map_err(|failure| step_error(&failure))?;
    let mut remove = Vec::new();
    for path in &inputs.paths {
        let inside = path
            .components()
            .all(|part| matches!(part, Utf8Component::Normal(_)));
        if !inside || path.as_str().is_empty() {
            return Err(StepError::new(format!(
                "`{path}` cannot be removed, expected a path inside the lab"
            ))
            .exit(Exit::Definition));
        }
        let found = survey(path, &around);
        for (kept, reason) in found.keep {
            ctx.note(format!("kept {kept}: {reason}"));
        }
        remove.extend(found.remove);
    }
    Ok((around, remove))
}

fn step_error(failure: &Failure) -> StepError {
    let mut error = StepError::new(failure.to_string()).exit(failure.exit);
    error.help = failure
        .diagnostics
        .iter()
        .flat_map(|diagnostic| diagnostic.help.iter().cloned())
        .collect();
    error
}

fn told(verb: &str, remove: &[(Utf8PathBuf, u64)]) -> Done {
    if remove.is_empty() {
        return Done::skipped("there is nothing to remove");
    }
    let total: u64 = remove.iter().map(|(_, size)| size).sum();
    let paths = count(remove.len(), "path");
    Done::new(format!("{verb} {paths}, {}", bytes(total)))
}

/// Removes a file, a link, or a directory with all that is in it. Directories
/// that are ours and closed are opened first (guests of a rehearsal leave such).
fn take_away(path: &Path) -> io::Result<()> {
    let Some(meta) = if_there(fs::symlink_metadata(path))? else {
        return Ok(());
    };
    if !meta.is_dir() {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        done => done,
    }
}

/// Gives the owner all rights on a directory and those in it; links are not followed.
fn open_up(dir: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(dir)?;
    let mode = meta.permissions().mode();
    if mode & 0o700 != 0o700 {
        fs::set_permissions(dir, fs::Permissions::from_mode(mode | 0o700))?;
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes the directories above that are empty now, up to the lab.
fn empty_parents(root: &Utf8Path, path: &Utf8Path) {
    for above in path.ancestors().skip(1).filter(|p| !p.as_str().is_empty()) {
        // Fails where something is left, which is what ends this.
        if fs::remove_dir(root.join(above)).is_err() {
            return;
        }
    }
}

/// `812 B`, `1.5 KiB`, `3.2 GiB`.
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if size < 1024 {
        return format!("{size} B");
    }
    let mut tenths = u128::from(size) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!([0, 812, 1023].map(bytes), ["0 B", "812 B", "1023 B"]);
        let whole = [1024, 5 << 20, 3 << 40].map(bytes);
        assert_eq!(whole, ["1.0 KiB", "5.0 MiB", "3.0 TiB"]);
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(3_435_973_836), "3.1 GiB");
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
    }

    #[test]
    fn closed_directories_and_links_go() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "x").unwrap();
        let doomed = dir.path().join("doomed");
        fs::create_dir_all(doomed.join("a/b")).unwrap();
        fs::write(doomed.join("a/b/f"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, doomed.join("link")).unwrap();
        fs::set_permissions(doomed.join("a/b"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(doomed.join("a"), fs::Permissions::from_mode(0o500)).unwrap();
        take_away(&doomed).unwrap();
        assert!(!doomed.exists());
        assert!(outside.join("precious").exists());
        take_away(&doomed).unwrap();
    }
}
