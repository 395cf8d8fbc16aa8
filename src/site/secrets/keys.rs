//! Where SOPS looks for private age keys.
//!
//! Source: SOPS 3, `age/keysource.go`. All places that exist are tried.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

/// Variables that hold a key or say where one is, in the order of SOPS.
const VARIABLES: [&str; 5] = [
    "SOPS_AGE_KEY",
    "SOPS_AGE_KEY_FILE",
    "SOPS_AGE_KEY_CMD",
    "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
    "SOPS_AGE_SSH_PRIVATE_KEY_CMD",
];

/// The file that is read without being named.
pub(super) fn default_file(env: &BTreeMap<String, String>) -> Utf8PathBuf {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty());
    set("XDG_CONFIG_HOME")
        .map(Utf8PathBuf::from)
        .or_else(|| set("HOME").map(|home| Utf8Path::new(home).join(".config")))
        .unwrap_or_else(|| Utf8PathBuf::from("~/.config"))
        .join("sops/age/keys.txt")
}

/// The place of a key that cannot be read, for a message: one that is not
/// there first, else the first of all.
pub(super) fn named(env: &BTreeMap<String, String>) -> Option<String> {
    for name in VARIABLES.iter().filter(|name| name.ends_with("_FILE")) {
        if let Some(file) = env.get(*name).filter(|file| !file.is_empty())
            && !Utf8Path::new(file).is_file()
        {
            return Some(format!("`{file}` (`{name}`), which does not exist,"));
        }
    }
    places(env).into_iter().next()
}

/// Every place that would be tried.
pub(super) fn places(env: &BTreeMap<String, String>) -> Vec<String> {
    let mut all = Vec::new();
    for name in VARIABLES {
        if let Some(value) = env.get(name).filter(|value| !value.is_empty()) {
            all.push(if name.ends_with("_FILE") {
                format!("`{value}` (`{name}`)")
            } else {
                format!("`{name}`")
            });
        }
    }
    let file = default_file(env);
    if file.is_file() {
        all.push(format!("`{file}`"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_and_never_shown() {
        let env: BTreeMap<String, String> = [
            ("SOPS_AGE_KEY", "AGE-SECRET-KEY-1CANARY"),
            ("SOPS_AGE_KEY_FILE", "/keys/lab.txt"),
            ("HOME", "/nowhere"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        assert_eq!(
            places(&env),
            ["`SOPS_AGE_KEY`", "`/keys/lab.txt` (`SOPS_AGE_KEY_FILE`)"]
        );
        assert_eq!(
            named(&env).unwrap(),
            "`/keys/lab.txt` (`SOPS_AGE_KEY_FILE`), which does not exist,"
        );
        assert_eq!(default_file(&env), "/nowhere/.config/sops/age/keys.txt");
        let env = BTreeMap::from([("XDG_CONFIG_HOME".to_owned(), "/xdg".to_owned())]);
        assert_eq!(default_file(&env), "/xdg/sops/age/keys.txt");
        assert_eq!(named(&env), None);
    }
}
