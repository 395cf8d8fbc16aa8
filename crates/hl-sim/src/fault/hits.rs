//! Which of the calls that a rule meets it is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A range of hits, counted from 1: `3`, `2-4`, `2-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Hits {
    from: u64,
    /// The last one; none: no end.
    to: Option<u64>,
}

/// A number, or a range as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl Hits {
    /// Every one.
    pub(super) const EVERY: Self = Self { from: 1, to: None };

    /// Whether the hit of that number, from 1, is one of them.
    pub(super) fn holds(self, number: u64) -> bool {
        number >= self.from && self.to.is_none_or(|to| number <= to)
    }
}

impl FromStr for Hits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.parse().ok().filter(|number| *number > 0);
        let range = match text.split_once('-') {
            None => number(text).map(|one| (one, Some(one))),
            Some((from, "")) => number(from).map(|from| (from, None)),
            Some((from, to)) => number(from)
                .zip(number(to))
                .filter(|(from, to)| from <= to)
                .map(|(from, to)| (from, Some(to))),
        };
        range.map(|(from, to)| Self { from, to }).ok_or_else(|| {
            format!("`hit` is `{text}`, expected a number from 1, or a range such as `2-4` or `2-`")
        })
    }
}

impl fmt::Display for Hits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) if to == self.from => write!(f, "{to}"),
            Some(to) => write!(f, "{}-{to}", self.from),
            None => write!(f, "{}-", self.from),
        }
    }
}

impl TryFrom<Written> for Hits {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(number) => number.to_string().parse(),
            Written::Text(text) => text.parse(),
        }
    }
}

impl From<Hits> for String {
    fn from(hits: Hits) -> Self {
        hits.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let held = |text: &str| -> Vec<u64> {
            let hits: Hits = text.parse().unwrap();
            assert_eq!(hits.to_string(), text);
            (0..6).filter(|number| hits.holds(*number)).collect()
        };
        assert_eq!(held("2"), [2]);
        assert_eq!(held("2-4"), [2, 3, 4]);
        assert_eq!(held("4-"), [4, 5]);
        for bad in ["", "0", "-", "4-2", "0-1", "x", "1-x", "-3"] {
            let said = bad.parse::<Hits>().unwrap_err();
            assert!(said.contains("expected a number from 1"), "{bad}: {said}");
        }
        let number: Hits = serde_json::from_str("3").unwrap();
        assert_eq!(number, "3".parse().unwrap());
    }
}
