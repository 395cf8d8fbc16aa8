//! The exit codes of `hl`, in one table (also in `docs/reference/exit-codes.md`).

use serde::{Deserialize, Serialize};

use crate::base::Signal;

/// How the process ends. A failing child's own code is [`Exit::Child`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// 0: everything that was asked for is done.
    Ok,
    /// 1: several steps failed, in different ways.
    Several,
    /// 2: the command line is wrong.
    Usage,
    /// 65: a definition (layer, site, manifest, platform) is invalid.
    Definition,
    /// 66: there is no such recipe, run, host or template.
    Unknown,
    /// 69: the runway or a preflight check failed.
    Runway,
    /// 70: a bug in `hl`.
    Bug,
    /// 73: state or output cannot be written.
    CannotWrite,
    /// 75: another run holds the lab.
    Busy,
    /// 76: state was written by a newer version.
    Newer,
    /// 77: not approved, or the lab is not trusted.
    NotApproved,
    /// 80: changes are pending (`hl plan --exit-code`).
    ChangesPending,
    /// 124: a step ran into its timeout.
    Timeout,
    /// 130: stopped by SIGINT.
    Interrupted,
    /// 143: stopped by SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1 or SIGUSR2.
    Terminated,
    /// A child's own code, 1 to 255.
    Child(u8),
}

/// A process that was stopped by another signal ends as by `SIGTERM`.
impl From<Signal> for Exit {
    fn from(signal: Signal) -> Self {
        if matches!(signal, Signal::Interrupt | Signal::Request) {
            Self::Interrupted
        } else {
            Self::Terminated
        }
    }
}

impl Exit {
    /// The number the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Several => 1,
            Self::Usage => 2,
            Self::Definition => 65,
            Self::Unknown => 66,
            Self::Runway => 69,
            Self::Bug => 70,
            Self::CannotWrite => 73,
            Self::Busy => 75,
            Self::Newer => 76,
            Self::NotApproved => 77,
            Self::ChangesPending => 80,
            Self::Timeout => 124,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Child(code) => code,
        }
    }
}

/// One exit for many failed steps: none is [`Exit::Ok`], equal ones keep their
/// code, different ones are [`Exit::Several`]. A stop by signal wins over all,
/// because it is why the others did not finish.
pub fn merge(exits: impl IntoIterator<Item = Exit>) -> Exit {
    let mut merged = Exit::Ok;
    for exit in exits {
        merged = match (merged, exit) {
            (any, Exit::Ok) | (Exit::Ok, any) => any,
            (Exit::Terminated, _) | (_, Exit::Terminated) => Exit::Terminated,
            (Exit::Interrupted, _) | (_, Exit::Interrupted) => Exit::Interrupted,
            (a, b) if a == b => a,
            _ => Exit::Several,
        };
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exits() -> impl Strategy<Value = Exit> {
        prop_oneof![
            Just(Exit::Ok),
            Just(Exit::Runway),
            Just(Exit::Interrupted),
            Just(Exit::Terminated),
            Just(Exit::Several),
            (1u8..255).prop_map(Exit::Child),
        ]
    }

    proptest! {
        #[test]
        fn merging_does_not_depend_on_order(mut all in prop::collection::vec(exits(), 0..8)) {
            let forward = merge(all.clone());
            all.reverse();
            prop_assert_eq!(forward, merge(all));
        }

        #[test]
        fn any_failure_is_a_failure(all in prop::collection::vec(exits(), 1..8)) {
            let failed = all.iter().any(|e| *e != Exit::Ok);
            prop_assert_eq!(failed, merge(all).code() != 0);
        }
    }

    #[test]
    fn one_child_keeps_its_code() {
        assert_eq!(merge([Exit::Ok, Exit::Child(4)]), Exit::Child(4));
        assert_eq!(merge([Exit::Child(4), Exit::Child(2)]), Exit::Several);
        assert_eq!(merge([Exit::Runway, Exit::Runway]), Exit::Runway);
    }
}
