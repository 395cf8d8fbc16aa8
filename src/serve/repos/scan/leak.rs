//! What was found, in words: where it is, never what it is.

use std::fmt;

use super::look::Secret;

/// Digits of an object id that are shown.
const SHORT: usize = 12;

/// A secret in what would be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leak {
    /// What it is.
    pub(super) what: Secret,
    /// The object that it is in.
    pub(super) id: String,
    /// The file that it is in; none for the message of a commit or a tag.
    pub(super) path: Option<String>,
    /// The commit that it came with.
    pub(super) commit: Option<Commit>,
}

/// Where in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Commit {
    /// Nowhere yet.
    Uncommitted,
    /// This commit.
    Of(String),
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            Secret::Value => "holds a value that is kept secret",
            Secret::PrivateKey => "holds a private key",
            Secret::AgeKey => "holds a private key of age",
            Secret::State => "is a state of OpenTofu with sensitive values",
            Secret::File => "is not encrypted",
        };
        let path = self.path.as_deref();
        match (path, &self.commit) {
            (Some(path), Some(Commit::Uncommitted)) => {
                write!(f, "`{path}`, which is not committed, {what}")
            }
            (Some(path), Some(Commit::Of(commit))) => {
                write!(f, "`{path}` of commit {} {what}", short(commit))
            }
            (Some(path), None) => write!(f, "`{path}` {what}"),
            (None, _) => write!(f, "the object {} {what}", short(&self.id)),
        }
    }
}

fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_commit_are_named() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let leak = |path: Option<&str>, commit| {
            let leak = Leak {
                what: Secret::PrivateKey,
                id: id.to_owned(),
                path: path.map(str::to_owned),
                commit,
            };
            leak.to_string()
        };
        assert_eq!(
            leak(Some("a/key"), Some(Commit::Of("f".repeat(40)))),
            "`a/key` of commit ffffffffffff holds a private key"
        );
        assert_eq!(
            leak(Some("key"), Some(Commit::Uncommitted)),
            "`key`, which is not committed, holds a private key"
        );
        assert_eq!(
            leak(None, None),
            "the object 0123456789ab holds a private key"
        );
    }
}
