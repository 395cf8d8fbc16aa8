//! `hl platform render`: `platform.yaml` to files.

use serde_json::json;

use super::args::RenderArgs;
use crate::base::count;
use crate::cli::dry::{announce, decide};
use crate::cli::session::Session;
use crate::diag::{Failure, hl};
use crate::lab::Lock;
use crate::platform::{self, Adapters, Drift, compare, is_torn, narrowed, settle};
use crate::report::Paint;

pub(super) fn render(session: &Session, args: &RenderArgs) -> Result<(), Failure> {
    let lab = session.lab()?;
    let dry = decide(session, &lab)?;
    let paths = &lab.paths;
    platform::Lock::is_not_newer(paths)?;
    let adapters = Adapters::load(paths)?;
    let platform = platform::load(paths, &adapters)?;
    let mut rendered = platform::render(&platform, &args.env.env)?;
    let _lock = if dry.on {
        None
    } else {
        let lock = Lock::take(paths, "hl platform render")?;
        if is_torn(paths) {
            settle(paths)?;
        }
        Some(lock)
    };
    if !args.only.is_empty() {
        rendered = narrowed(paths, rendered, &args.only)?;
    }
    let drift = compare(paths, &rendered)?;
    let is_new = !drift.is_rendered();
    if is_new && !dry.on {
        platform::commit(paths, &rendered)?;
    }
    if session.globals.json {
        let paths = |of: &[camino::Utf8PathBuf]| of.to_vec();
        session.json(&json!({
            "schema": "hl.platform-render/1",
            "environment": rendered.lock.environment,
            "dry_run": dry.on,
            "files": rendered.files.len(),
            "written": is_new && !dry.on,
            "added": paths(&drift.removed),
            "removed": paths(&drift.added),
            "changed": drift.changed.iter().map(|change| &change.path).collect::<Vec<_>>(),
            "stale": paths(&drift.stale),
        }))?;
    } else {
        let files = count(rendered.files.len(), "file");
        if !is_new {
            session.tell(
                Paint::Dim,
                "Unchanged",
                format!("platform/generated, {files}"),
            );
        } else if dry.on {
            session.tell(Paint::Active, "Would render", told(&drift));
        } else {
            let text = format!("platform/generated, {files}: {}", told(&drift));
            session.tell(Paint::Good, "Rendered", text);
        }
    }
    if !drift.stale.is_empty() && !dry.on {
        let what = count(drift.stale.len(), "file");
        let was = if drift.stale.len() == 1 {
            "was"
        } else {
            "were"
        };
        let text = format!("{what} of `platform/live` {was} made from what was rendered before; ");
        let next = crate::diag::say(text)
            .and(hl("platform bootstrap"))
            .say(" makes them anew");
        session.tell(Paint::Warn, "Stale", next);
    }
    announce(session, &dry);
    Ok(())
}

/// `3 new, 1 changed, 2 removed`
fn told(drift: &Drift) -> String {
    let parts = [
        (drift.removed.len(), "new"),
        (drift.changed.len(), "changed"),
        (drift.added.len(), "removed"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    parts.join(", ")
}
