//! The site-config of a machine: its secrets, and the file of its node.

use std::fs;

use camino::Utf8Path;

use super::facts::{Facts, SecretsForm};
use crate::action::Done;
use crate::base::{quoted, ticked};
use crate::diag::StepError;
use crate::site::Tree;

/// `secrets.yaml` is in the clear, and its owner's alone.
pub(super) fn secrets(facts: &Facts) -> Result<Done, StepError> {
    let file = format!("{}/secrets.yaml", facts.etc);
    let machine = &facts.machine;
    match &facts.secrets {
        SecretsForm::Absent if facts.sealed => {
            return Err(StepError::new(format!(
                "`{file}.enc` on {machine} is encrypted, and there is no `secrets.yaml` beside it"
            ))
            .help(decrypt(facts)));
        }
        SecretsForm::Absent => {
            return Err(StepError::new(format!("there is no `{file}` on {machine}"))
                .help("on the machine: `hl site init` makes a site-config to begin with, `hl site secrets edit` the secrets"));
        }
        SecretsForm::Encrypted(line) => {
            return Err(StepError::new(format!(
                "{file}:{line}: the secrets on {machine} are encrypted"
            ))
            .help(decrypt(facts)));
        }
        SecretsForm::Broken(why) => {
            return Err(
                StepError::new(format!("`{file}` on {machine} cannot be read: {why}"))
                    .help("correct the file"),
            );
        }
        SecretsForm::Plain => {}
    }
    let mode = u32::from_str_radix(&facts.secrets_mode, 8).unwrap_or_default();
    if mode & 0o077 != 0 {
        let message = format!("`{file}` on {machine} may be read by others: its mode is {mode:o}");
        return Err(
            StepError::new(message).help(facts.command(&format!("chmod 600 {}", quoted(&file))))
        );
    }
    let (owner, expected) = (&facts.secrets_owner, &facts.etc_owner);
    if owner != expected {
        let message = format!("`{file}` on {machine} belongs to `{owner}`, expected `{expected}`");
        return Err(StepError::new(message).help(facts.command(&format!(
            "chown {} {}",
            quoted(expected),
            quoted(&file)
        ))));
    }
    Ok(Done::new("decrypted, and its owner's alone"))
}

fn decrypt(facts: &Facts) -> String {
    format!(
        "on the machine: `hl site secrets decrypt --site {}`",
        quoted(&facts.etc)
    )
}

/// The machine's own file in `nodes/`.
pub(super) fn node(facts: &Facts) -> Result<Done, StepError> {
    let (dir, machine, name) = (format!("{}/nodes", facts.etc), &facts.machine, &facts.name);
    if facts.node_name.is_empty() {
        let error = StepError::new(format!("there is no `{dir}/{name}.yaml` on {machine}"));
        return Err(match facts.nodes.as_slice() {
            // A file must be called as its node is.
            [other] => error.help(facts.command(&format!(
                "mv {} {}",
                quoted(&format!("{dir}/{other}.yaml")),
                quoted(&format!("{dir}/{name}.yaml"))
            ))),
            [] => error.help("on the machine: `hl site node-config` writes it from what is there"),
            several => error.help(format!(
                "it has {}: one of them must be called `{name}`",
                ticked(several)
            )),
        });
    }
    read(facts, &dir)?;
    Ok(Done::new(format!("`{dir}/{}.yaml`", facts.node_name)))
}

/// Read as the resolver reads it, with places in the machine's own file.
fn read(facts: &Facts, shown: &str) -> Result<(), StepError> {
    let name = &facts.node_name;
    let root = tempfile::tempdir().map_err(|error| {
        StepError::io(
            "make a directory in",
            std::env::temp_dir().display(),
            &error,
        )
    })?;
    let dir = Utf8Path::from_path(root.path())
        .ok_or_else(|| StepError::new("the directory of temporary files is not UTF-8"))?;
    let nodes = dir.join("nodes");
    let written = fs::create_dir(&nodes)
        .and_then(|()| fs::write(nodes.join(format!("{name}.yaml")), &facts.node_file));
    written.map_err(|error| StepError::io("write in", &nodes, &error))?;
    let shown = shown.trim_end_matches("/nodes");
    Tree::new(dir.to_owned(), shown.to_owned())
        .check_node(name)
        .map_err(|failure| {
            StepError::from(failure).help(format!("correct the file on {}", facts.machine))
        })
}
