//! Lock files of tofu's providers, in the lab.

use std::fs;

use camino::Utf8PathBuf;

use crate::action::{Done, StepContext};
use crate::base::{count, quoted};
use crate::diag::StepError;
use crate::tofu::state;

/// As OpenTofu and Terraform call it.
const LOCK: &str = ".terraform.lock.hcl";

/// Each can be read, and locks a provider. One that no longer fits a module is renewed
/// by `tofu.init`.
pub(super) fn check(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let paths = &ctx.lab.paths;
    let found = files(&[paths.build().join("tofu"), paths.states()]);
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

/// The lock files of all states, in their directories and one below: of environments and
/// of the nodes of manifests. What cannot be read has none.
fn files(roots: &[Utf8PathBuf]) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    for root in roots {
        for key in state::keys(root) {
            let dir = root.join(key);
            let below = ["", "module", "data"].map(|below| dir.join(below).join(LOCK));
            found.extend(below.into_iter().filter(|file| file.is_file()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    #[test]
    fn lock_files_of_environments_and_of_manifests_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for key in ["dev-pve", "shop/pve/web"] {
            let module = root.join(key).join("module");
            fs::create_dir_all(module.join("modules/inner")).unwrap();
            fs::write(module.join(LOCK), "").unwrap();
        }
        let found = files(&[root.to_owned(), root.join("none")]);
        let wanted = ["dev-pve/module", "shop/pve/web/module"];
        assert_eq!(found, wanted.map(|dir| root.join(dir).join(LOCK)));
    }
}
