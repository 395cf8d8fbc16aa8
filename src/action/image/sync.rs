//! `image.sync`: packer's files on another machine are those of the lab. Only what
//! differs is sent; what the lab does not have is removed there.

use std::collections::BTreeMap;

use camino::Utf8Path;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::places::{on, sources, wanted};
use crate::action::remote::{Machine, Ssh, Where};
use crate::action::{About, Action, Done, StepContext};
use crate::base::{Lines, count, hex, quoted};
use crate::diag::{Exit, StepError, say};
use crate::lab;

/// `image.sync`
#[derive(Debug, Clone, Copy)]
pub struct ImageSync;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Image templates, separated by commas; all when empty.
    #[serde(default)]
    templates: String,
    /// The machine: a file of `site/nodes` or `site/hosts`.
    #[serde(default)]
    host: String,
    /// Its address, `[USER@]ADDRESS`.
    #[serde(default)]
    remote: String,
}

/// SHA-256 by path, relative to the directory of packer's files.
type Files = BTreeMap<String, String>;

impl Action for ImageSync {
    fn about(&self) -> About {
        About::of::<Inputs>("image.sync")
            .doc("send packer's files to another machine: only what differs")
            .repeatable()
            .never("it compares what is there now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let ssh = there(ctx, &inputs)?;
        let names = wanted(&ctx.lab.paths, &inputs.templates)?;
        let here = here(ctx, &names)?;
        Ok(Done::not_planned(format!(
            "would compare {} with those on `{}`",
            count(here.len(), "file"),
            ssh.address
        )))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let ssh = there(ctx, &inputs)?;
        let names = wanted(&ctx.lab.paths, &inputs.templates)?;
        let here = here(ctx, &names)?;
        let machine = Machine::There(ssh.clone());
        let (dir, _) = on(&machine, &ctx.lab.paths);
        let there = seen(ctx, &machine, &dir, &names)?;
        let send: Vec<&str> = differs(&here, &there);
        let gone: Vec<&str> = there
            .keys()
            .filter(|path| !here.contains_key(*path))
            .map(String::as_str)
            .collect();
        if send.is_empty() && gone.is_empty() {
            let summary = format!("`{}` has all {}", ssh.address, count(here.len(), "file"));
            return Ok(Done::new(summary).changed(false).output("synced", 0));
        }
        let root = sources(&ctx.lab.paths);
        let batch = batch(&root, &dir, &send, &gone)?;
        lab::create_dir(&ctx.work)?;
        let file = ctx.work.join("sftp");
        lab::write(&file, batch, 0o600)?;
        let outcome = ctx.exec.run(&ssh.batch(&file), &mut |_| {})?;
        outcome.check("sftp")?;
        std::fs::remove_dir_all(&ctx.work)
            .map_err(|error| StepError::io("remove", &ctx.work, &error))?;
        let summary = format!(
            "{} sent to `{}`, {} removed there",
            count(send.len(), "file"),
            ssh.address,
            gone.len()
        );
        Ok(Done::new(summary)
            .changed(true)
            .output("synced", send.len()))
    }
}

fn there(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<Ssh, StepError> {
    let named = Where {
        host: &inputs.host,
        remote: &inputs.remote,
        local: false,
    };
    match Machine::of(ctx, named)? {
        Machine::There(ssh) => Ok(ssh),
        Machine::Here => Err(StepError::new("no other machine is named")
            .exit(Exit::Usage)
            .help(say("name it: `--remote ADDRESS` or `--host NAME`"))),
    }
}

/// The lab's files.
fn here(ctx: &StepContext<'_>, names: &[String]) -> Result<Files, StepError> {
    let root = sources(&ctx.lab.paths);
    let mut files = Files::new();
    for name in names {
        walk(&root, Utf8Path::new(name), &mut files)?;
    }
    Ok(files)
}

fn walk(root: &Utf8Path, dir: &Utf8Path, files: &mut Files) -> Result<(), StepError> {
    let failed = |path: &Utf8Path, error: std::io::Error| StepError::io("read", path, &error);
    let whole = root.join(dir);
    for entry in whole.read_dir_utf8().map_err(|e| failed(&whole, e))? {
        let entry = entry.map_err(|e| failed(&whole, e))?;
        let path = dir.join(entry.file_name());
        let kind = entry.file_type().map_err(|e| failed(entry.path(), e))?;
        if kind.is_dir() {
            walk(root, &path, files)?;
        } else if kind.is_file() && entry.file_name() != "crash.log" {
            refuse_odd(&path)?;
            let bytes = std::fs::read(entry.path()).map_err(|e| failed(entry.path(), e))?;
            files.insert(path.into_string(), hex(&Sha256::digest(&bytes)));
        }
    }
    Ok(())
}

/// What sftp's own quoting does not carry.
fn refuse_odd(path: &Utf8Path) -> Result<(), StepError> {
    if path.as_str().contains(['"', '\\', '\n', '*', '?', '[']) {
        let message = format!("the name of `{path}` cannot be sent");
        return Err(StepError::new(message)
            .exit(Exit::Definition)
            .help("rename the file: no quotes, backslashes, line ends or wildcards"));
    }
    Ok(())
}

/// The files that the machine has.
fn seen(
    ctx: &StepContext<'_>,
    machine: &Machine,
    dir: &Utf8Path,
    names: &[String],
) -> Result<Files, StepError> {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    let script = format!(
        "mkdir -p {dir} && cd {dir} && mkdir -p {names} && find {names} -type f ! -name crash.log -exec sha256sum {{}} +",
        dir = quoted(dir.as_str()),
        names = names.join(" "),
    );
    let said = machine.ask(ctx, "looking for packer's files", &script)?;
    let lines = said.lines().filter_map(|line| line.split_once("  "));
    Ok(lines
        .map(|(hash, path)| (path.to_owned(), hash.to_owned()))
        .collect())
}

fn differs<'f>(here: &'f Files, there: &Files) -> Vec<&'f str> {
    let new = here
        .iter()
        .filter(|(path, hash)| there.get(*path) != Some(hash));
    new.map(|(path, _)| path.as_str()).collect()
}

/// What sftp is to do: directories first, each above those in it; one that is there
/// is no failure.
fn batch(
    root: &Utf8Path,
    dir: &Utf8Path,
    send: &[&str],
    gone: &[&str],
) -> Result<String, StepError> {
    refuse_odd(root)?;
    let mut above: Vec<&Utf8Path> = send
        .iter()
        .flat_map(|path| Utf8Path::new(path).ancestors().skip(1))
        .filter(|above| !above.as_str().is_empty())
        .collect();
    above.sort_unstable();
    above.dedup();
    let mut text = String::new();
    for path in above {
        text.line(format!("-mkdir \"{}\"", dir.join(path)));
    }
    for path in send {
        text.line(format!(
            "put -p \"{}\" \"{}\"",
            root.join(path),
            dir.join(path)
        ));
    }
    for path in gone {
        text.line(format!("rm \"{}\"", dir.join(path)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_sent() {
        let files = |pairs: &[(&str, &str)]| -> Files {
            pairs
                .iter()
                .map(|(p, h)| ((*p).to_owned(), (*h).to_owned()))
                .collect()
        };
        let here = files(&[("d/a", "1"), ("d/b", "2"), ("d/e/c", "3")]);
        let there = files(&[("d/a", "1"), ("d/b", "9"), ("d/old", "4")]);
        let send = differs(&here, &there);
        assert_eq!(send, ["d/b", "d/e/c"]);
        let text = batch("/lab/x".into(), ".cache".into(), &send, &["d/old"]).unwrap();
        assert_eq!(
            text,
            "-mkdir \".cache/d\"\n-mkdir \".cache/d/e\"\nput -p \"/lab/x/d/b\" \".cache/d/b\"\n\
             put -p \"/lab/x/d/e/c\" \".cache/d/e/c\"\nrm \".cache/d/old\"\n"
        );
        assert!(refuse_odd("d/a\"b".into()).is_err());
    }
}
