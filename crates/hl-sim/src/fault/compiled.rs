//! A rule that was checked: what it meets, and what it does.

use std::time::Duration;

use jiff::SignedDuration;

use super::condition::{Condition, TlsFault};
use super::hits::Hits;
use super::pattern::Pattern;
use super::rule::FaultRule;
use crate::error::ApiError;

/// A checked rule.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) meets: Meets,
    pub(super) hits: Hits,
    pub(super) at: At,
    pub(super) slow: Duration,
    pub(super) effect: Effect,
}

/// What a rule meets.
#[derive(Debug, Clone)]
pub(super) enum Meets {
    /// The start of the server.
    Start,
    /// Calls.
    Call {
        /// None: any.
        methods: Vec<String>,
        /// None: any.
        path: Option<Pattern>,
    },
    /// Tasks.
    Task {
        /// `clone`, `qmclone`, `*`.
        kind: String,
        /// Only those of this VM.
        vmid: Option<u32>,
    },
}

/// Whether the work is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum At {
    /// It is not.
    #[default]
    Before,
    /// It is, and then the fault comes.
    After,
}

/// What becomes of a call or a task.
#[derive(Debug, Clone, Default)]
pub(crate) enum Effect {
    /// Nothing but that it is slow.
    #[default]
    None,
    /// A call is answered by an error.
    Error(ApiError),
    /// A call is answered by something that is no answer.
    Body(u16, String),
    /// The connection of a call breaks.
    Lost,
    /// Nothing comes.
    Hang,
    /// A task ends so.
    Exit(String),
    /// Something is wrong with the world from then on.
    World(Condition),
    /// What the server shows of itself is wrong.
    Tls(TlsFault),
}

impl Compiled {
    /// Checks a rule.
    pub(super) fn new(rule: &FaultRule) -> Result<Self, String> {
        let meets = meets(rule)?;
        let at = match rule.at.as_deref() {
            None | Some("before") => At::Before,
            Some("after") => At::After,
            Some(other) => {
                return Err(format!("`at` is `{other}`, expected `before` or `after`"));
            }
        };
        let slow = rule.slow.as_deref().map(duration).transpose()?;
        let effect = effect(rule)?;
        let fits = match (&effect, &meets) {
            (Effect::Tls(_), Meets::Start) | (Effect::World(_), _) => Ok(()),
            (Effect::Tls(_), _) => {
                Err("a certificate is shown from the start: leave out `path`, `method` and `task`")
            }
            (_, Meets::Start) => {
                Err("it meets nothing: write a path such as `/nodes/*/qemu`, or `task=clone`")
            }
            (Effect::None, _) if slow.is_none() => Err(
                "it does nothing: add `status`, `body`, `lost`, `hang`, `exit`, `slow` or `world`",
            ),
            (Effect::Exit(_), Meets::Call { .. }) => {
                Err("`exit` is of a task: write `task=clone` instead of a path")
            }
            (Effect::Error(_) | Effect::Body(..) | Effect::Lost, Meets::Task { .. }) => {
                Err("a task has no answer: use `exit`, `hang` or `slow`")
            }
            (
                Effect::None
                | Effect::Error(_)
                | Effect::Body(..)
                | Effect::Lost
                | Effect::Hang
                | Effect::Exit(_),
                _,
            ) => Ok(()),
        };
        fits.map_err(str::to_owned)?;
        Ok(Self {
            meets,
            hits: rule.hit.unwrap_or(Hits::EVERY),
            at,
            slow: slow.unwrap_or_default(),
            effect,
        })
    }

    /// Whether it meets a call.
    pub(super) fn meets_call(&self, method: &str, path: &str) -> bool {
        let Meets::Call {
            methods,
            path: pattern,
        } = &self.meets
        else {
            return false;
        };
        (methods.is_empty() || methods.iter().any(|own| own == method))
            && pattern.as_ref().is_none_or(|pattern| pattern.fits(path))
    }

    /// Whether it meets a task of a type (`qmclone`), on what its UPID names.
    pub(super) fn meets_task(&self, kind: &str, id: &str) -> bool {
        let Meets::Task { kind: own, vmid } = &self.meets else {
            return false;
        };
        let short = match kind {
            "qmigrate" => Some("migrate"),
            // Of a guest that high availability looks after it is `hastart`.
            _ => ["qm", "vz", "ha"]
                .iter()
                .find_map(|prefix| kind.strip_prefix(*prefix)),
        };
        (own == "*" || own == kind || Some(own.as_str()) == short)
            && vmid.is_none_or(|vmid| vmid.to_string() == id)
    }
}

fn meets(rule: &FaultRule) -> Result<Meets, String> {
    let call = rule.method.is_some() || rule.path.is_some();
    if let Some(kind) = &rule.task {
        if call {
            return Err("it names a call and a task, expected one of them".to_owned());
        }
        let vmid = rule.vmid.filter(|_| rule.world.is_none());
        return Ok(Meets::Task {
            kind: kind.clone(),
            vmid,
        });
    }
    if !call {
        return Ok(Meets::Start);
    }
    if let Some(path) = rule.path.as_deref().filter(|path| !path.starts_with('/')) {
        return Err(format!(
            "`path` is `{path}`, expected one that begins with `/`, below `/api2/json`"
        ));
    }
    let methods = rule.method.iter().flat_map(|methods| methods.split(','));
    let methods: Vec<String> = methods.map(|name| name.trim().to_owned()).collect();
    let known = ["GET", "POST", "PUT", "DELETE", "HEAD"];
    if let Some(method) = methods.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!(
            "`method` is `{method}`, expected {}",
            known.join(", ")
        ));
    }
    Ok(Meets::Call {
        methods,
        path: rule.path.as_deref().map(Pattern::new),
    })
}

fn effect(rule: &FaultRule) -> Result<Effect, String> {
    let has_words = rule.message.is_some() || !rule.errors.is_empty();
    if has_words && (rule.status.is_none() || rule.body.is_some()) {
        return Err(
            "`message` and `errors` are of an error: they need `status`, and no `body`".to_owned(),
        );
    }
    let mut found = Vec::new();
    if let Some(body) = &rule.body {
        let status = rule.status.unwrap_or(200);
        if !(200..=599).contains(&status) {
            return Err(format!("`status` is {status}, expected 200 to 599"));
        }
        found.push(Effect::Body(status, body.clone()));
    } else if let Some(status) = rule.status {
        found.push(Effect::Error(answer(rule, status)?));
    }
    found.extend(rule.lost.then_some(Effect::Lost));
    found.extend(rule.hang.then_some(Effect::Hang));
    found.extend(rule.exit.clone().map(Effect::Exit));
    if let Some(name) = &rule.world {
        found.push(match TlsFault::named(name) {
            Some(fault) => Effect::Tls(fault),
            None => Effect::World(Condition::new(name, rule)?),
        });
    }
    if rule.world.is_none()
        && (rule.storage.is_some() || rule.node.is_some() || rule.lock.is_some())
    {
        return Err(
            "`storage`, `node` and `lock` are of a condition: they need `world`".to_owned(),
        );
    }
    if found.len() > 1 {
        return Err(
            "it does several things, expected one of `status`, `body`, `lost`, `hang`, `exit`, `world`"
                .to_owned(),
        );
    }
    Ok(found.pop().unwrap_or_default())
}

/// The error that a rule names, with Proxmox VE's words where it has none.
fn answer(rule: &FaultRule, status: u16) -> Result<ApiError, String> {
    if !(400..=599).contains(&status) {
        return Err(format!("`status` is {status}, expected 400 to 599"));
    }
    let usual = match status {
        400 => "Parameter verification failed.",
        401 => "permission denied - invalid PVE ticket",
        403 => "Permission check failed",
        501 => "not implemented",
        595 => "No route to host",
        596 => "Connection timed out",
        599 => "Too many redirections",
        _ => "got an error that a rule asked for",
    };
    let message = rule.message.as_deref().unwrap_or(usual);
    let error = if status == 401 {
        ApiError::unauthenticated(message)
    } else {
        ApiError::new(status, message)
    };
    Ok(ApiError {
        errors: rule.errors.clone(),
        ..error
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Option<SignedDuration> = text.trim().parse().ok();
    parsed
        .and_then(|parsed| Duration::try_from(parsed).ok())
        .ok_or_else(|| format!("`slow` is `{text}`, expected a duration such as `7s` or `200ms`"))
}
