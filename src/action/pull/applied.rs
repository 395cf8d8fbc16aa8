//! What a machine says that it applied: `applied` in its state.

use serde::Deserialize;

/// The file's fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct File {
    /// Of what was applied last.
    digest: Option<String>,
    /// What failed since.
    failed: Option<String>,
    /// What it waits for.
    waiting: Option<String>,
}

/// Where a machine stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Applied {
    /// It has not begun, or not told yet.
    NotYet,
    /// It asks, and there is no answer; why.
    Waiting(String),
    /// What was asked for is applied.
    Done,
    /// Something else is.
    Other,
    /// It failed; what.
    Failed(String),
}

impl Applied {
    /// Whether it may be of an earlier attempt: with what is asked for now it may go well.
    /// `told`: the machine has been told anew; `first`: nothing was looked at before.
    pub(super) fn may_be_old(&self, told: bool, first: bool) -> bool {
        match self {
            Self::Other => !told,
            Self::Failed(_) => first,
            Self::NotYet | Self::Waiting(_) | Self::Done => false,
        }
    }

    /// Reads the file's text, which is empty where there is none. `wanted` is the digest
    /// of what is to be applied.
    pub(super) fn read(text: &str, wanted: &str) -> Self {
        let Ok(file) = serde_json::from_str::<File>(text) else {
            return Self::NotYet;
        };
        match file {
            File {
                failed: Some(why), ..
            } => Self::Failed(plain(&why)),
            File {
                waiting: Some(why), ..
            } => Self::Waiting(plain(&why)),
            File {
                digest: Some(digest),
                ..
            } if digest == wanted => Self::Done,
            File {
                digest: Some(_), ..
            } => Self::Other,
            File { digest: None, .. } => Self::NotYet,
        }
    }
}

/// A machine's own words, in one line of bounded length.
fn plain(text: &str) -> String {
    let clean = crate::base::sanitize(text);
    clean.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_stands_where_it_says() {
        let at = |text: &str| Applied::read(text, "abc");
        for text in ["", "{", "[]", "{}", r#"{"digest": null, "at": 1}"#] {
            assert_eq!(at(text), Applied::NotYet, "{text}");
        }
        assert_eq!(at(r#"{"digest": "abc", "at": 1}"#), Applied::Done);
        assert_eq!(at(r#"{"digest": "abd"}"#), Applied::Other);
        let failed = at(r#"{"digest": "abc", "failed": "packages: no\u001b[1m"}"#);
        let Applied::Failed(why) = failed else {
            panic!("{failed:?}")
        };
        assert!(why.starts_with("packages: no") && !why.contains('\u{1b}'));
        assert_eq!(
            at(r#"{"waiting": "no answer"}"#),
            Applied::Waiting("no answer".to_owned())
        );
    }
}
