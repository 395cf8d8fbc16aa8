//! `hl access`: how the node is reached, asked for or taken from the
//! environment, proved, and kept in `state/proxmox.env`.

use inquire::validator::Validation;
use inquire::{InquireError, Password, PasswordDisplayMode, Text};

use super::approve::Approve;
use super::dry::{announce, decide};
use super::run::run_plan;
use super::session::{Session, given, usage};
use crate::app::access::plan;
use crate::base::ticked;
use crate::diag::{Diagnostic, Exit, Failure, hl};
use crate::lab::environment::ALIASES;
use crate::lab::{Environment, Var, variables};
use crate::pve::{Endpoint, check_token_id};
use crate::report::Paint;

/// What is asked for each variable.
const QUESTIONS: [(&str, &str); 5] = [
    ("PVE_ACCESS_HOST", "Address of the node's API:"),
    ("PVE_NODE", "Name of the node:"),
    ("PM_TOKEN_ID", "API token, USER@REALM!NAME:"),
    ("PM_TOKEN_SECRET", "The token's secret:"),
    ("PVE_STORAGE_VM", "Storage for the machines' disks:"),
];

pub(super) fn access(session: &Session) -> Result<Exit, Failure> {
    if session.rehearsing() {
        return Err(usage(
            "`hl access` cannot be rehearsed: it keeps the live node's access",
        ));
    }
    let lab = session.lab()?;
    let dry = decide(session, &lab)?;
    // Doppler's secrets stay with Doppler.
    let mut env = session.environment(&lab, false)?;
    if Approve::of(session) == Approve::Ask {
        for (name, question) in QUESTIONS {
            let answer = ask(&env, name, question)?;
            env.set(name, answer);
        }
    } else {
        require(&env)?;
    }
    let exit = run_plan(session, &lab, &env, plan(), dry.on, true)?;
    if exit != Exit::Ok {
        let verb = session.palette().verb(Paint::Warn, "Not saved");
        session.say(&format!(
            "{verb} state/proxmox.env: the steps that failed above must succeed first"
        ));
    } else if !dry.on {
        for (_, name) in ALIASES {
            let other = session.caller.var(name).unwrap_or_default();
            if !other.is_empty() && env.get(name) != Some(other) {
                let text = format!(
                    "`{name}` in the process environment says something else, and wins: `unset {name}`"
                );
                session.tell(Paint::Warn, "Warning", text);
            }
        }
        if let Some(variable) =
            variables::find("PVE_BUILD_ADDRESS").filter(|variable| env.get(variable.name).is_none())
        {
            let text = format!(
                "add `{}=...` to `.env`: {}, e.g. `{}`",
                variable.name, variable.doc, variable.example
            );
            session.tell(Paint::Active, "Next", text);
        }
        let rest = hl("l0-runway").say(" checks the rest");
        session.tell(Paint::Active, "Next", rest);
    }
    announce(session, &dry);
    Ok(exit)
}

/// All that is missing, at once.
fn require(env: &Environment) -> Result<(), Failure> {
    let names = QUESTIONS.iter().map(|(name, _)| *name);
    let missing: Vec<&str> = names.filter(|name| env.get(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let is = if missing.len() == 1 { "is" } else { "are" };
    let message = format!(
        "{} {is} not set, and there is no terminal to ask on",
        ticked(missing)
    );
    let error = Diagnostic::error(message)
        .help("set them in the environment of `hl access`, or run it on a terminal without `--yes` and `--no-input`");
    Err(Failure::new(Exit::NotApproved, error))
}

/// One answer; what is set already is taken with Enter.
fn ask(env: &Environment, name: &str, question: &str) -> Result<Var, Failure> {
    let known = env.get(name).map(str::to_owned);
    let secret = variables::is_secret(name);
    let answer = if secret {
        hidden(question, known.as_deref())
    } else {
        shown(name, question, known.as_deref())
    };
    let value = answer.map_err(|error| {
        if matches!(error, InquireError::OperationInterrupted) {
            return Failure::silent(Exit::Interrupted);
        }
        let why = if matches!(error, InquireError::OperationCanceled) {
            "nothing was written: the questions were left".to_owned()
        } else {
            format!("cannot ask for `{name}`: {error}")
        };
        Failure::message(Exit::NotApproved, why)
    })?;
    let value = value.trim().to_owned();
    if known.as_deref() == Some(value.as_str())
        && let Some(var) = env.var(name)
    {
        return Ok(var.clone());
    }
    Ok(Var {
        secret,
        ..given(value)
    })
}

fn shown(name: &str, question: &str, known: Option<&str>) -> Result<String, InquireError> {
    let variable = variables::find(name);
    let doc = variable.map_or_else(String::new, |v| format!("{}, e.g. {}", v.doc, v.example));
    let of = name.to_owned();
    let mut text =
        Text::new(question)
            .with_help_message(&doc)
            .with_validator(move |answer: &str| {
                let wrong = mistake(&of, answer.trim());
                Ok(wrong.map_or(Validation::Valid, |why| Validation::Invalid(why.into())))
            });
    if let Some(known) = known {
        text = text.with_default(known);
    }
    text.prompt()
}

/// What is wrong with an answer, told before it goes anywhere: a secret in the
/// wrong place must not get into a journal.
fn mistake(name: &str, answer: &str) -> Option<String> {
    match (name, answer) {
        (_, "") => Some("it is needed".to_owned()),
        ("PVE_ACCESS_HOST", host) => Endpoint::parse(host).err(),
        ("PM_TOKEN_ID", id) => check_token_id(id).err(),
        (_, name) => {
            let odd = |c: char| c.is_whitespace() || "@!=/".contains(c);
            name.contains(odd)
                .then(|| "expected a name as Proxmox VE shows it".to_owned())
        }
    }
}

fn hidden(question: &str, known: Option<&str>) -> Result<String, InquireError> {
    let needed = known.is_none();
    let help = if needed {
        "it was shown once, when the token was made"
    } else {
        "Enter keeps the one that is set"
    };
    let answer = Password::new(question)
        .with_display_mode(PasswordDisplayMode::Hidden)
        .with_help_message(help)
        .without_confirmation()
        .with_validator(move |answer: &str| {
            Ok(if needed && answer.trim().is_empty() {
                Validation::Invalid("it is needed".into())
            } else {
                Validation::Valid
            })
        })
        .prompt()?;
    Ok(match known {
        Some(known) if answer.trim().is_empty() => known.to_owned(),
        _ => answer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_the_wrong_place_is_refused_and_not_repeated() {
        let secret = "0e25b5fb-915c-b921-1a6d-9a87ead937ea";
        let whole = format!("hl@pve!hl={secret}");
        for wrong in [secret, whole.as_str()] {
            let said = mistake("PM_TOKEN_ID", wrong).unwrap();
            assert!(!said.contains("0e25"), "{said}");
        }
        assert!(mistake("PVE_NODE", "hl@pve!hl").is_some());
        assert!(mistake("PVE_STORAGE_VM", "").is_some());
        for (name, right) in [
            ("PVE_ACCESS_HOST", "https://pve.example:8006"),
            ("PM_TOKEN_ID", "hl@pve!hl"),
            ("PVE_NODE", "pve"),
            ("PVE_STORAGE_VM", "local-lvm"),
        ] {
            assert_eq!(mistake(name, right), None);
        }
    }

    #[test]
    fn what_has_another_name_is_asked_for() {
        let names: Vec<&str> = ALIASES.iter().map(|(_, name)| *name).collect();
        let asked: Vec<&str> = QUESTIONS.iter().map(|(name, _)| *name).collect();
        assert!(names.iter().all(|name| asked.contains(name)));
    }
}
