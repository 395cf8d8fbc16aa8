//! What the user has git ignore, beside the `.gitignore` of each directory:
//! `info/exclude` of the repository, and what `core.excludesFile` names.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::checkout::Checkout;
use super::git::Git;
use crate::app::Caller;
use crate::base::private_read;

/// Variables that say which files of settings git reads.
const WHICH: [&str; 6] = [
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
];

/// Files of patterns, weakest first. A pattern of any of them holds, so that nothing
/// is served that the user believes to be ignored.
///
/// # Errors
/// Settings of git cannot be read, in words.
pub(super) fn excludes(
    caller: &Caller,
    git: &Git,
    checkout: &Checkout,
) -> Result<Vec<Utf8PathBuf>, String> {
    let env: BTreeMap<String, String> = WHICH
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), caller.var(name)?.to_owned())))
        .collect();
    let mut files = Vec::new();
    match git.setting(&env, None, "core.excludesFile")? {
        Some(named) => files.push(checkout.work.join(named)),
        None => files.extend(usual(&env)),
    }
    for config in [
        checkout.common.join("config"),
        checkout.own.join("config.worktree"),
    ] {
        if private_read(&config).is_ok() {
            let named = git.setting(&env, Some(&config), "core.excludesFile")?;
            files.extend(named.map(|named| checkout.work.join(named)));
        }
    }
    files.push(checkout.common.join("info/exclude"));
    // git takes a missing file for a mistake. A link is the user's own way.
    files.retain(|file| file.is_file());
    Ok(files)
}

/// Where git looks when nothing is named.
fn usual(env: &BTreeMap<String, String>) -> Option<Utf8PathBuf> {
    let dir = |name: &str| env.get(name).filter(|dir| !dir.is_empty());
    let config = dir("XDG_CONFIG_HOME").map(Utf8PathBuf::from);
    let config = config.or_else(|| Some(Utf8Path::new(dir("HOME")?).join(".config")))?;
    Some(config.join("git/ignore"))
}
