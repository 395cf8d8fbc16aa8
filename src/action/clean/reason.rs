//! Why a path is not removed.

use std::fmt;
use std::path::PathBuf;

/// Why something stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Never removed.
    Protected(&'static str),
    /// A tofu state that holds these resources.
    Resources(Vec<String>),
    /// A tofu state that is locked: a run uses it, or was cut off.
    Locked,
    /// It cannot be judged.
    Unreadable(String),
    /// A symbolic link out of the lab, or a path through one.
    Link,
    /// A file system is mounted there.
    Mounted(PathBuf),
    /// Its name is not UTF-8.
    Name,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protected(why) => f.write_str(why),
            Self::Resources(names) if names.len() == 1 => {
                write!(f, "holds 1 resource: {}", names.join(", "))
            }
            Self::Resources(names) => {
                write!(f, "holds {} resources: {}", names.len(), names.join(", "))
            }
            Self::Locked => f.write_str("tofu has it locked, or was cut off"),
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::Link => f.write_str("a symbolic link, which is not followed"),
            Self::Mounted(point) => write!(f, "`{}` is mounted there", point.display()),
            Self::Name => f.write_str("its name is not UTF-8"),
        }
    }
}
