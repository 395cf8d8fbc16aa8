//! `hl serve status`: whether a controller answers.

use std::time::Duration;

use reqwest::Url;
use serde_json::{Value, json};

use super::serve_args::StatusArgs;
use super::session::{Session, usage};
use crate::app::serving::Running;
use crate::diag::{Exit, Failure, hl, say};
use crate::plan::sanitize;
use crate::pve::{Fingerprint, Policy, https};
use crate::report::Paint;

/// How long it may take to answer.
const WITHIN: Duration = Duration::from_secs(10);

pub(super) fn status(session: &Session, port: u16, args: &StatusArgs) -> Result<Exit, Failure> {
    let (url, fingerprint) = match &args.url {
        Some(url) => (url.clone(), args.fingerprint.clone()),
        None => running(session, port)?,
    };
    let policy = match fingerprint.as_deref() {
        Some(text) => Policy::Pinned(pin(text)?),
        None => Policy::Roots,
    };
    let address = Url::parse(&format!("{}/health", url.trim_end_matches('/')))
        .map_err(|error| usage(format!("cannot use the URL `{url}`: {error}")))?;
    let down = |why: String| {
        Failure::message(Exit::Runway, format!("the controller at `{url}` {why}"))
            .help("its log says more: `journalctl -u hl-controller`")
    };
    let answer = https::get(&address, None, policy, &[], WITHIN)
        .map_err(|error| down(format!("does not answer: {error}")))?;
    let health: Value = serde_json::from_slice(&answer.body)
        .ok()
        .filter(|_| answer.status == 200)
        .ok_or_else(|| down(format!("is not well: it answered {}", answer.status)))?;
    let word = health["status"].as_str().unwrap_or_default();
    if session.globals.json {
        return session
            .json(&json!({
                "schema": "hl.serve-status/1",
                "url": url,
                "fingerprint": fingerprint,
                "health": health,
            }))
            .map(|()| Exit::Ok);
    }
    session.data(&format!("{} {}", url, sanitize(word)))?;
    for name in health["preparing"].as_array().into_iter().flatten() {
        let name = sanitize(name.as_str().unwrap_or_default());
        session.tell(Paint::Active, "Preparing", say(format!("`{name}`")));
    }
    for refused in health["refused"].as_array().into_iter().flatten() {
        let said = |name: &str| sanitize(refused[name].as_str().unwrap_or_default());
        let text = format!("`{}` is not served: {}", said("name"), said("why"));
        session.tell(Paint::Warn, "Warning", say(text));
    }
    Ok(Exit::Ok)
}

/// The one of this user and this machine.
fn running(session: &Session, port: u16) -> Result<(String, Option<String>), Failure> {
    let Some(running) = Running::find(&session.caller, port) else {
        let message = format!("no controller of yours runs at port {port}");
        return Err(Failure::message(Exit::Unknown, message)
            .help(say("start one: ").and(hl("serve")))
            .help("another one: `--port PORT`, or `--url https://HOST:PORT`"));
    };
    Ok((running.url, Some(running.fingerprint)))
}

/// A fingerprint as it was given.
pub(super) fn pin(text: &str) -> Result<Fingerprint, Failure> {
    Fingerprint::parse(text).ok_or_else(|| {
        usage(format!("`{text}` is not the fingerprint of a certificate"))
            .help("give the 64 hexadecimal digits of its SHA-256, with or without colons")
    })
}
