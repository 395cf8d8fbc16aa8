//! `hl site check`: all that is wrong, at once.

use super::open::OpenSite;
use crate::cli::session::Session;
use crate::diag::{Diagnostic, Exit, Failure, Severity};
use crate::site::Report;

pub(super) fn check(session: &Session, site: &OpenSite) -> Result<Exit, Failure> {
    let report = report(session, site)?;
    let what = format!("{} in `{}`", counted(report.files, "file"), site.shown());
    conclude(session, report, &what)
}

/// Says what a check found of what it looked at, and whether that is valid.
pub(in crate::cli) fn conclude(
    session: &Session,
    report: Report,
    what: &str,
) -> Result<Exit, Failure> {
    let errors = report.count(Severity::Error);
    let exit = if errors > 0 {
        Exit::Definition
    } else {
        Exit::Ok
    };
    if session.globals.json {
        session.json(&report)?;
        return Ok(exit);
    }
    let warnings = report.count(Severity::Warning);
    if errors > 0 {
        session.fail(&Failure::many(exit, report.findings));
    } else {
        session.warn(&report.findings);
    }
    session.note(format!(
        "{what}: {}, {}",
        counted(errors, "error"),
        counted(warnings, "warning"),
    ));
    Ok(exit)
}

/// The tree's findings and those of its secrets.
fn report(session: &Session, site: &OpenSite) -> Result<Report, Failure> {
    match site.opened(session) {
        Ok(Some((loaded, errors))) => {
            let mut report = site.tree.check(Some(&loaded.secrets))?;
            report.files += 1;
            report.add(errors);
            report.add(loaded.warnings);
            Ok(report)
        }
        Ok(None) => {
            let mut report = site.tree.check(None)?;
            report.add([site.tree.no_secrets()]);
            Ok(report)
        }
        Err(failure) => {
            let mut report = site.tree.check(None)?;
            // Who cannot open them here may still check the rest.
            let closed = failure.exit != Exit::Definition;
            report.add(failure.diagnostics.into_iter().map(|mut finding| {
                if closed {
                    finding.severity = Severity::Warning;
                }
                finding
            }));
            if closed {
                let note = "names of tokens and keys are not checked";
                report.add([Diagnostic::warning(note)]);
            }
            Ok(report)
        }
    }
}

fn counted(count: usize, word: &str) -> String {
    match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}
