//! `hl site resolve`: what a tool is given. Secrets are hidden but in two
//! places: `--reveal`, and the 0600 file of `--write`.

use camino::Utf8Path;
use serde_json::json;

use super::args::{Resolve, ResolveArgs, Sink};
use super::open::OpenSite;
use crate::base::Lines;
use crate::cli::session::Session;
use crate::diag::{Exit, Failure};
use crate::lab;
use crate::plan::sanitize;
use crate::site::resolve::{Explained, Inline, Resolved};

pub(super) fn resolve(
    session: &Session,
    site: &OpenSite,
    args: &ResolveArgs,
) -> Result<(), Failure> {
    let tree = &site.tree;
    let secrets = site.secrets(session)?;
    let secrets = secrets.as_ref();
    let resolved = match &args.what {
        Resolve::Tofu { environment, node } => tree.resolve_env(environment, node, secrets),
        Resolve::Vm(vm) => tree.resolve_vm(
            &vm.node,
            &Inline {
                name: vm.name.clone(),
                vmid: vm.vmid,
                template: vm.template.clone(),
                preset: vm.preset.clone(),
                image: vm.image.clone(),
                posture: vm.posture.clone(),
            },
            secrets,
        ),
        Resolve::Ansible { environment } => tree.resolve_ansible(environment, secrets),
        Resolve::Spec { identity } => tree.resolve_spec(identity, secrets),
        Resolve::Host { host } => tree.resolve_host(host, secrets),
    }?;
    session.warn(&resolved.warnings);
    show(session, &resolved, &args.sink)
}

fn show(session: &Session, resolved: &Resolved, sink: &Sink) -> Result<(), Failure> {
    if let Some(file) = &sink.write {
        return write(session, resolved, file);
    }
    if sink.explain {
        return explain(session, resolved);
    }
    if sink.reveal {
        return session.json(&resolved.revealed());
    }
    session.json(&resolved.redacted())
}

/// The whole answer to a file of mode 0600, in one step. A link there is
/// replaced, never followed.
fn write(session: &Session, resolved: &Resolved, file: &Utf8Path) -> Result<(), Failure> {
    if session.globals.dry_run {
        session.note(format!("would write `{file}`, readable by you alone"));
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&resolved.revealed())
        .map_err(|error| Failure::message(Exit::Bug, format!("cannot write JSON: {error}")))?;
    lab::write(&session.caller.cwd.join(file), format!("{text}\n"), 0o600)?;
    session.note(format!("wrote `{file}`, readable by you alone"));
    Ok(())
}

fn explain(session: &Session, resolved: &Resolved) -> Result<(), Failure> {
    let rows = resolved.explain();
    if session.globals.json {
        return session.json(&json!({ "schema": "hl.site-explain/1", "values": rows }));
    }
    session.data(&origins(&rows))
}

/// Values with the file and line that gave each, as columns.
pub(in crate::cli) fn origins(rows: &[Explained]) -> String {
    let width = |text: &str| text.chars().count();
    let paths = rows.iter().map(|row| width(&row.path)).max().unwrap_or(0);
    let values = rows.iter().map(|row| width(&row.value)).max().unwrap_or(0);
    let (paths, values) = (paths.min(40), values.min(40));
    let mut out = String::new();
    for row in rows {
        let (path, value, from) = (
            sanitize(&row.path),
            sanitize(&row.value),
            sanitize(&row.from),
        );
        out.line(format_args!("{path:paths$}  {value:values$}  {from}"));
    }
    out
}
