//! `hl platform validate`: what differs between what is rendered and what is on disk.

use camino::Utf8PathBuf;
use serde_json::json;

use super::settled::settled;
use crate::base::{Lines, count};
use crate::cli::session::Session;
use crate::diag::{Exit, Failure, hl};
use crate::plan::sanitize;
use crate::platform::{self, Adapters, Drift, Lock, Rendered, compare};
use crate::report::Paint;

pub(super) fn validate(session: &Session) -> Result<Exit, Failure> {
    let lab = session.lab()?;
    settled(&lab)?;
    let lock = Lock::wanted(&lab.paths)?;
    let adapters = Adapters::load(&lab.paths)?;
    let platform = platform::load(&lab.paths, &adapters)?;
    let rendered = platform::render(&platform, &lock.environment)?;
    let drift = compare(&lab.paths, &rendered)?;
    if session.globals.json {
        session.json(&document(&lock, &rendered, &drift))?;
    } else {
        session.data(&text(session, &drift))?;
        if drift.is_clean() {
            let files = count(rendered.files.len(), "file");
            session.tell(Paint::Good, "Valid", format!("platform/generated, {files}"));
        } else if !drift.is_rendered() {
            let command = format!("platform render --env {}", lock.environment);
            session.note(hl(command).say(" renders it anew"));
        } else {
            session.note(hl("platform bootstrap").say(" makes what is stale anew"));
        }
    }
    Ok(if drift.is_clean() {
        Exit::Ok
    } else {
        Exit::Several
    })
}

fn document(lock: &Lock, rendered: &Rendered, drift: &Drift) -> serde_json::Value {
    let platform = lock.platform_hash == rendered.lock.platform_hash;
    // Over what is on disk: what the lock says of it may be as wrong as the files are.
    let hash = &drift.artifacts_hash;
    let whole = *hash == lock.artifacts_hash && *hash == rendered.lock.artifacts_hash;
    let in_tree = |path: &Utf8PathBuf| path.starts_with("generated");
    // An empty directory has no part in the hash.
    let artifacts = !whole || drift.added.iter().any(in_tree);
    let (removed, changed) = (drift.removed.iter(), drift.changed.iter());
    let mut paths = removed.chain(changed.map(|change| &change.path));
    let lock_differs = paths.any(|path| !in_tree(path));
    let mut errors = Vec::new();
    let mut error = |is: bool, kind: &str, message: &str| {
        if is {
            errors.push(json!({ "type": kind, "message": message }));
        }
    };
    error(
        !platform,
        "platform_modified",
        "platform.yaml was changed since it was rendered",
    );
    error(
        artifacts,
        "artifacts_modified",
        "platform/generated is not as it is rendered",
    );
    error(
        lock_differs,
        "lock_modified",
        "platform/pipeline.yaml or platform/lock.json is not as it is rendered",
    );
    error(
        !drift.stale.is_empty(),
        "live_stale",
        "files of platform/live were made from other rendered files",
    );
    json!({
        "schema": "hl.platform-validate/1",
        "valid": drift.is_clean(),
        "environment": lock.environment,
        "platform_hash_match": platform,
        "artifacts_hash_match": !artifacts,
        "added": drift.added,
        "removed": drift.removed,
        "changed": drift.changed,
        "stale": drift.stale,
        "errors": errors,
    })
}

fn text(session: &Session, drift: &Drift) -> String {
    let palette = session.data_palette();
    let mut out = String::new();
    for (paths, verb, paint) in [
        (&drift.added, "added", Paint::Warn),
        (&drift.removed, "removed", Paint::Bad),
        (&drift.stale, "stale", Paint::Warn),
    ] {
        for path in paths {
            out.line(format_args!(
                "{} {}",
                palette.verb(paint, verb),
                sanitize(path.as_str())
            ));
        }
    }
    for change in &drift.changed {
        let mode = change.mode.as_ref();
        let mode = mode.map_or_else(String::new, |mode| format!(", mode {mode}"));
        let path = sanitize(change.path.as_str());
        out.line(format_args!(
            "{} {path}{mode}",
            palette.verb(Paint::Warn, "changed")
        ));
        for line in change.diff.lines() {
            out.line(sanitize(line));
        }
    }
    out
}
