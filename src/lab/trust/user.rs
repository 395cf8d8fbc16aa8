//! Who runs `hl`, and where that user's own settings are.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

/// The user of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The effective uid.
    pub uid: u32,
    /// Who called `sudo`, when root runs under it.
    pub sudo: Option<u32>,
    /// `$XDG_CONFIG_HOME`, else `$HOME/.config`.
    pub config: Option<Utf8PathBuf>,
}

impl User {
    /// The user of this process. `process` is the environment that it was
    /// started with: what a lab sets must never come here.
    pub fn of(process: &BTreeMap<String, String>) -> Self {
        Self::with(rustix::process::geteuid().as_raw(), process)
    }

    fn with(uid: u32, process: &BTreeMap<String, String>) -> Self {
        let dir = |name: &str| {
            let dir = process.get(name).map(Utf8Path::new);
            dir.filter(|dir| dir.is_absolute()).map(Utf8Path::to_owned)
        };
        let sudo = process.get("SUDO_UID").and_then(|uid| uid.parse().ok());
        Self {
            uid,
            sudo: sudo.filter(|_| uid == 0),
            config: dir("XDG_CONFIG_HOME").or_else(|| Some(dir("HOME")?.join(".config"))),
        }
    }

    /// Whether files of that user are as good as the user's own: root can
    /// change everything anyway, and `sudo` was called by one who may.
    pub(super) fn accepts(&self, uid: u32) -> bool {
        self.accepted().any(|accepted| accepted == uid)
    }

    /// All whose files are as good as the user's own.
    pub(super) fn accepted(&self) -> impl Iterator<Item = u32> {
        [self.uid, 0].into_iter().chain(self.sudo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32, process: &[(&str, &str)]) -> User {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        User::with(uid, &process.iter().map(pair).collect())
    }

    #[test]
    fn only_root_is_asked_who_called_sudo() {
        let sudo = [("SUDO_UID", "1000")];
        assert!(user(0, &sudo).accepts(1000) && user(0, &sudo).accepts(0));
        assert!(!user(0, &[]).accepts(1000));
        assert!(!user(1001, &sudo).accepts(1000));
        assert!(user(1001, &sudo).accepts(1001) && user(1001, &sudo).accepts(0));
        assert!(!user(0, &[("SUDO_UID", "all")]).accepts(1000));
    }

    #[test]
    fn settings_are_in_an_absolute_directory_or_nowhere() {
        let config = |process: &[(&str, &str)]| user(1, process).config.map(String::from);
        let (home, xdg) = (("HOME", "/home/me"), ("XDG_CONFIG_HOME", "/etc/me"));
        assert_eq!(config(&[home, xdg]).as_deref(), Some("/etc/me"));
        assert_eq!(config(&[home]).as_deref(), Some("/home/me/.config"));
        let relative = [home, ("XDG_CONFIG_HOME", "lab/config")];
        assert_eq!(config(&relative).as_deref(), Some("/home/me/.config"));
        assert_eq!(config(&[("HOME", "here")]), None);
        assert_eq!(config(&[]), None);
    }
}
