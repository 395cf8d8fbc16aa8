//! `hl site secrets`: what is known of the secrets, and changing them. Names
//! and public keys are shown, values never.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::args::SecretsVerb;
use super::open::OpenSite;
use crate::cli::session::{Session, usage};
use crate::diag::{Commands, Diagnostic, Exit, Failure};
use crate::report::{Paint, Palette};
use crate::site::secrets::{Changed, FileReport, How, Report, Tracking};

pub(super) fn secrets(
    session: &Session,
    site: &OpenSite,
    verb: &SecretsVerb,
) -> Result<Exit, Failure> {
    let vault = site.vault(session);
    let dry = session.globals.dry_run;
    let (changed, did) = match verb {
        SecretsVerb::Check => return check(session, &vault.check()),
        SecretsVerb::Edit if dry => {
            return Err(usage("an editor has no dry run")
                .help("`hl site secrets check` shows what there is"));
        }
        SecretsVerb::Edit if session.globals.no_input || !Session::interactive() => {
            return Err(Failure::message(
                Exit::NotApproved,
                "an editor needs a terminal",
            ));
        }
        SecretsVerb::Edit => (vault.edit_file()?, "Edited"),
        SecretsVerb::Decrypt { force } => {
            let how = How { force: *force, dry };
            (vault.decrypt_file(how)?, "Decrypted")
        }
        SecretsVerb::Encrypt { age, force } => {
            let how = How { force: *force, dry };
            (vault.encrypt_file(age, how)?, "Encrypted")
        }
    };
    tell(session, &changed, if dry { "Would write" } else { did })
}

fn tell(session: &Session, changed: &Changed, did: &str) -> Result<Exit, Failure> {
    session.warn(&changed.warnings);
    if session.globals.json {
        let mut document = json!(changed);
        document["schema"] = json!("hl.site-secrets-change/1");
        session.json(&document)?;
        return Ok(Exit::Ok);
    }
    if !changed.written {
        session.tell(Paint::Dim, "Unchanged", changed.file.as_str());
        return Ok(Exit::Ok);
    }
    let names = if changed.names.is_empty() {
        String::new()
    } else {
        format!(": {}", changed.names.join(", "))
    };
    session.tell(Paint::Good, did, format!("{}{names}", changed.file));
    for recipient in &changed.recipients {
        session.note(format!("{:>12} {recipient}", "for"));
    }
    Ok(Exit::Ok)
}

fn check(session: &Session, report: &Report) -> Result<Exit, Failure> {
    if session.globals.json {
        let mut document = json!(report);
        document["schema"] = json!("hl.site-secrets/1");
        document["findings"] = report.findings.iter().map(finding).collect();
        session.json(&document)?;
        return Ok(report.exit);
    }
    session.warn(&report.findings);
    session.data(&text(report, session.data_palette()))?;
    Ok(report.exit)
}

fn finding(found: &Diagnostic) -> Value {
    let place = found.place.as_ref().map(|place| {
        let (line, column) = place.line_column();
        json!({ "file": place.path(), "line": line, "column": column })
    });
    json!({
        "severity": found.severity,
        "message": found.message,
        "place": place,
        "help": found.help.iter().map(|h| h.text(Commands::Live)).collect::<Vec<_>>(),
    })
}

fn text(report: &Report, palette: Palette) -> String {
    let mut lines = Vec::new();
    for file in &report.files {
        let used = report.used.as_ref() == Some(&file.file);
        lines.push(format!(
            "{}  {}{}",
            palette.paint(Paint::Bold, file.file.as_str()),
            about(file),
            if used { "" } else { "; not read" }
        ));
        for key in &file.recipients {
            lines.push(format!("  for {key}"));
        }
        for service in &file.services {
            lines.push(format!("  for a key of {service}"));
        }
    }
    if report.files.iter().any(|file| file.opens.is_some()) {
        let keys = if report.keys.is_empty() {
            "none".to_owned()
        } else {
            report.keys.join(", ")
        };
        lines.push(format!(
            "{}  {keys}",
            palette.paint(Paint::Bold, "keys here")
        ));
    }
    let mut sections: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in &report.names {
        let (section, rest) = name.split_once('.').unwrap_or((name, ""));
        sections.entry(section).or_default().push(rest);
    }
    for (section, names) in sections {
        lines.push(format!(
            "{}  {}",
            palette.paint(Paint::Bold, section),
            names.join(", ")
        ));
    }
    lines.join("\n")
}

fn about(file: &FileReport) -> String {
    let form = match (file.form, &file.sops, file.opens) {
        ("encrypted", Some(version), Some(true)) => format!("encrypted by SOPS {version}, opens"),
        ("encrypted", _, Some(true)) => "encrypted, opens".to_owned(),
        ("encrypted", ..) => "encrypted, does not open".to_owned(),
        ("plain", ..) => "clear text".to_owned(),
        (form, ..) => form.to_owned(),
    };
    let git = match file.git {
        Tracking::Tracked => ", tracked by git",
        Tracking::Ignored => ", ignored by git",
        Tracking::Untracked => ", not in git and not ignored",
        Tracking::NoRepository => "",
    };
    format!("{form}, mode {}{git}", file.mode)
}
