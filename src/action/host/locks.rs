//! Lock files of tofu's providers, in the lab.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use crate::action::tofu::{LOCK, built, drop_lock, renew, source_of};
use crate::action::{Done, StepContext};
use crate::base::{count, quoted};
use crate::diag::StepError;
use crate::lab::Paths;
use crate::tofu::{lock_file, state};

/// How deep below a module its own modules may be.
const DEPTH: usize = 4;

/// A lock file that a run left.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    file: Utf8PathBuf,
    /// The module that it is for: in the checkout, else the copy.
    module: Utf8PathBuf,
}

/// Each can be read, locks a provider, and locks no version that its module refuses: one
/// that does is removed, so that the next `tofu.init` chooses again.
pub(super) fn check(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let paths = &ctx.lab.paths;
    let found = files(paths);
    let mut gone = 0;
    for left in &found {
        let shown = paths.show(&left.file);
        let cannot = |why: &str| {
            let command = format!("rm -f {}", quoted(left.file.as_str()));
            StepError::new(format!("the lock file `{shown}` cannot be used: {why}"))
                .help(format!("`{command}`: the next init writes it anew"))
        };
        let text = fs::read_to_string(&left.file).map_err(|error| cannot(&error.to_string()))?;
        if !lock_file::locks_any(&text) {
            return Err(cannot("it locks no provider"));
        }
        // The next init takes the one of the checkout.
        let own = fs::read_to_string(left.module.join(LOCK));
        let files = texts(&left.module);
        let text = own.as_ref().unwrap_or(&text);
        let Some(why) = lock_file::stale(text, files.iter().map(String::as_str)) else {
            continue;
        };
        if ctx.dry_run {
            ctx.note(format!("the lock file `{shown}` would be removed: {why}"));
        } else if drop_lock(&left.module, &left.file)? {
            ctx.note(format!("the lock file `{shown}` was removed: {why}"));
        } else {
            let module = paths.show(&left.module);
            return Err(StepError::new(format!(
                "the lock file `{module}/{LOCK}` is not in step: {why}"
            ))
            .help(renew(&module)));
        }
        gone += 1;
    }
    Ok(Done::new(told(found.len(), gone, ctx.dry_run)))
}

fn told(found: usize, gone: usize, dry_run: bool) -> String {
    let stays = found.saturating_sub(gone);
    let stale = match gone {
        0 => None,
        gone if dry_run => Some(format!("{} would be removed", count(gone, "stale one"))),
        gone => Some(format!("{} removed", count(gone, "stale one"))),
    };
    let in_step = (stays > 0).then(|| format!("{} in step", count(stays, "lock file")));
    let all: Vec<String> = in_step.into_iter().chain(stale).collect();
    if all.is_empty() {
        "none yet".to_owned()
    } else {
        all.join(", ")
    }
}

/// The lock files of all states, in their directories and one below: of environments and
/// of the nodes of manifests. What cannot be read has none.
fn files(paths: &Paths) -> Vec<Left> {
    let mut found = Vec::new();
    for root in [built(paths), paths.states()] {
        for key in state::keys(&root) {
            let dir = root.join(&key);
            let copy = built(paths).join(&key).join("module");
            let module = source_of(paths, &key).unwrap_or(copy);
            let below = ["", "module", "data"].map(|below| dir.join(below).join(LOCK));
            let there = below.into_iter().filter(|file| file.is_file());
            found.extend(there.map(|file| Left {
                file,
                module: module.clone(),
            }));
        }
    }
    found
}

/// The texts of a module and of those inside of it.
fn texts(module: &Utf8Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut level = vec![module.to_owned()];
    for _ in 0..DEPTH {
        let mut below = Vec::new();
        for dir in level {
            for entry in dir.read_dir_utf8().into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() && !entry.file_name().starts_with('.') {
                    below.push(path.to_owned());
                } else if path.extension() == Some("tf") {
                    found.extend(fs::read_to_string(path));
                }
            }
        }
        level = below;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files_of_environments_and_of_manifests_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let paths = Paths::live(root.to_owned());
        let tofu = built(&paths);
        for key in ["dev-pve", "shop/pve/web"] {
            let module = tofu.join(key).join("module");
            fs::create_dir_all(module.join("modules/inner")).unwrap();
            fs::write(module.join(LOCK), "").unwrap();
        }
        fs::create_dir(root.join("own")).unwrap();
        fs::write(tofu.join("dev-pve/source"), "own").unwrap();
        let copy = tofu.join("shop/pve/web/module");
        let wanted = [
            ("dev-pve/module", root.join("own")),
            ("shop/pve/web/module", copy),
        ];
        let wanted = wanted.map(|(dir, module)| Left {
            file: tofu.join(dir).join(LOCK),
            module,
        });
        assert_eq!(files(&paths), wanted);
    }

    #[test]
    fn the_modules_inside_of_a_module_ask_too() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for below in ["modules/inner", ".terraform/modules/x"] {
            fs::create_dir_all(root.join(below)).unwrap();
            fs::write(root.join(below).join("main.tf"), below).unwrap();
        }
        fs::write(root.join("notes.md"), "no").unwrap();
        assert_eq!(texts(root), ["modules/inner"]);
    }

    #[test]
    fn what_went_is_told() {
        assert_eq!(told(0, 0, false), "none yet");
        assert_eq!(told(2, 0, false), "2 lock files in step");
        assert_eq!(
            told(2, 1, false),
            "1 lock file in step, 1 stale one removed"
        );
        assert_eq!(told(1, 1, true), "1 stale one would be removed");
    }
}
