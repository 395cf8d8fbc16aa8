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
    /// Where it is.
    pub(super) place: Place,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In a file: its path and the commit that it came with.
    File(String, Option<Commit>),
    /// In the name of a file or directory, with the commit that it came with.
    Path(String, Commit),
    /// In the message, the author or the committer of this commit.
    Commit(String),
    /// In the message or the tagger of the tag with this name.
    Tag(String),
    /// In the name of a branch or a tag.
    Reference(String),
    /// In this object, of which no more is known.
    Object(String),
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
        write!(f, "{} ", self.place)?;
        f.write_str(match self.what {
            Secret::Value => "holds a value that is kept secret",
            Secret::PrivateKey => "holds a private key",
            Secret::AgeKey => "holds a private key of age",
            Secret::State => "is a state of OpenTofu with sensitive values",
            Secret::File => "is not encrypted",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, None) => write!(f, "`{path}`"),
            Self::File(path, Some(Commit::Uncommitted)) => {
                write!(f, "`{path}`, which is not committed,")
            }
            Self::File(path, Some(Commit::Of(id))) => write!(f, "`{path}` of commit {}", short(id)),
            Self::Path(path, Commit::Uncommitted) => {
                write!(f, "the name of `{path}`, which is not committed,")
            }
            Self::Path(path, Commit::Of(id)) => {
                write!(f, "the name of `{path}` of commit {}", short(id))
            }
            Self::Commit(id) => write!(
                f,
                "the message, author or committer of commit {}",
                short(id)
            ),
            Self::Tag(name) => write!(f, "the message or tagger of the tag `{}`", shown(name)),
            Self::Reference(name) if name.starts_with(TAGS) => {
                write!(f, "the name of the tag `{}`", shown(name))
            }
            Self::Reference(name) => write!(f, "the name of the branch `{}`", shown(name)),
            Self::Object(id) => write!(f, "the object {}", short(id)),
        }
    }
}

/// Where the names of tags begin.
const TAGS: &str = "refs/tags/";

/// A reference as people call it.
fn shown(name: &str) -> &str {
    let short = name.strip_prefix(TAGS);
    let short = short.or_else(|| name.strip_prefix("refs/heads/"));
    short.unwrap_or(name)
}

fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_named() {
        let id = || "0123456789abcdef0123456789abcdef01234567".to_owned();
        let text = |text: &str| text.to_owned();
        for (place, words) in [
            (
                Place::File(text("a/key"), Some(Commit::Of("f".repeat(40)))),
                "`a/key` of commit ffffffffffff",
            ),
            (
                Place::File(text("key"), Some(Commit::Uncommitted)),
                "`key`, which is not committed,",
            ),
            (
                Place::Path(text("x/y"), Commit::Of(id())),
                "the name of `x/y` of commit 0123456789ab",
            ),
            (
                Place::Commit(id()),
                "the message, author or committer of commit 0123456789ab",
            ),
            (
                Place::Tag(text("refs/tags/v1")),
                "the message or tagger of the tag `v1`",
            ),
            (
                Place::Reference(text("refs/heads/a/b")),
                "the name of the branch `a/b`",
            ),
            (
                Place::Reference(text("refs/tags/v1")),
                "the name of the tag `v1`",
            ),
            (Place::Object(id()), "the object 0123456789ab"),
        ] {
            let what = Secret::PrivateKey;
            let leak = Leak { what, place };
            assert_eq!(leak.to_string(), format!("{words} holds a private key"));
        }
    }
}
