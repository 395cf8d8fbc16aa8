//! Whether a directory may be used: it is the user's own, or trusted. Asked
//! before anything in it is read.

use camino::Utf8Path;

use crate::base::quoted;
use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::Accounts;
use crate::lab::trust::{Doubt, Place, TrustList, User, doubts};
use crate::rehearse::is_within;

/// What a directory is to be used as.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A lab.
    Lab,
    /// A site-config.
    Site,
    /// A git repository that is served to others.
    Repository,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Site => "site-config",
            Self::Repository => "repository",
        }
    }
}

/// Lets a directory be used, or says why not.
///
/// # Errors
/// Somebody else owns it or can write it, and the user does not trust it (77).
pub fn admit(user: &User, dir: &Utf8Path, kind: Kind) -> Result<(), Failure> {
    let look = |error: &std::io::Error| {
        let what = kind.name();
        Failure::message(
            Exit::Unknown,
            format!("cannot look at the {what} `{dir}`: {error}"),
        )
    };
    let found = doubts(dir, user).map_err(|e| look(&e))?;
    if found.is_empty() || is_within() {
        return Ok(());
    }
    let place = Place::of(dir, user).map_err(|e| look(&e))?;
    match TrustList::read(user) {
        Ok(list) if list.holds(&place) => Ok(()),
        Ok(list) => {
            let before = list.at(&place.path).map(|entry| {
                format!(
                    "it was trusted at {}, and has another owner, is another directory or can be written by more users since",
                    entry.since
                )
            });
            Err(refused(user, &place, kind, &found, before))
        }
        Err(failure) => {
            let mut refused = refused(user, &place, kind, &found, None);
            refused.diagnostics.extend(failure.diagnostics);
            Err(refused)
        }
    }
}

fn refused(
    user: &User,
    place: &Place,
    kind: Kind,
    found: &[Doubt],
    before: Option<String>,
) -> Failure {
    let accounts = Accounts::read();
    let (what, path) = (kind.name(), &place.path);
    let mut error = Diagnostic::error(format!(
        "the {what} `{path}` is not trusted: nothing in it was read"
    ));
    for doubt in found {
        let words = doubt.words(&accounts);
        error = error.note(match doubt {
            Doubt::Owner(path, _) => {
                format!("`{path}` {words}, and you are {}", accounts.user(user.uid))
            }
            Doubt::Everybody(path) | Doubt::Group(path, _) => format!("`{path}` {words}"),
        });
    }
    if let Some(before) = before {
        error = error.note(before);
    }
    let own = found.iter().all(|doubt| !matches!(doubt, Doubt::Owner(..)));
    if own {
        let paths: Vec<String> = found.iter().map(|d| quoted(d.path().as_str())).collect();
        error = error.help(format!(
            "forbid others to write there: `chmod go-w {}`",
            paths.join(" ")
        ));
    }
    let then = if own {
        "or"
    } else {
        "look at what is in it, and"
    };
    let error = error.help(format!(
        "{then} trust all who can write there to run commands as you: `hl trust {}`",
        quoted(path.as_str())
    ));
    Failure::new(Exit::NotApproved, error)
}
