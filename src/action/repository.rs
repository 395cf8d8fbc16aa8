//! `repo.sync`: a repository beside the lab is a clone of what a URL has.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{About, Action, ChildSpec, Done, StepContext};
use crate::diag::{Exit, StepError};

/// Where the controller is, and what opens its repositories; the second names are those
/// that older tools know.
const SOURCE: [&str; 2] = ["HL_SOURCE", "HOMESTAK_SOURCE"];
const TOKEN: [&str; 2] = ["HL_TOKEN", "HOMESTAK_TOKEN"];
/// git asks this for a password: it reads the token from the environment of one child.
const HELPER: &str =
    "!f() { [ \"$1\" = get ] && printf 'username=hl\\npassword=%s\\n' \"$HL_REPO_PASSWORD\"; }; f";

/// Clones a repository, or brings it up to date.
#[derive(Debug, Clone, Copy)]
pub struct RepoSync;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of its directory, beside the lab.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// A URL or path of git, with `#BRANCH` behind it where another than the default is
    /// wanted.
    url: String,
}

impl Inputs {
    fn parts(&self) -> (&str, Option<&str>) {
        match self.url.split_once('#') {
            Some((url, branch)) if !branch.is_empty() => (url, Some(branch)),
            Some((url, _)) => (url, None),
            None => (&self.url, None),
        }
    }
}

impl Action for RepoSync {
    fn about(&self) -> About {
        About::of::<Inputs>("repo.sync")
            .doc("clone a repository beside the lab, or bring it up to date; one with changes of its own is left alone")
            .repeatable()
            .never("it compares what is there now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let dir = place(ctx, &inputs.name)?;
        let (url, _) = inputs.parts();
        Ok(Done::new(if dir.join(".git").exists() {
            format!("would fetch from {url}")
        } else {
            format!("would clone {url}")
        }))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let dir = place(ctx, &inputs.name)?;
        let (url, branch) = inputs.parts();
        if dir.join(".git").exists() {
            return update(ctx, &dir, url, branch);
        }
        if dir.exists() {
            return Err(StepError::new(format!("`{dir}` is there, and is no clone"))
                .exit(Exit::CannotWrite)
                .help("move it away, or take its name out of `[repos]` in `hl.toml`"));
        }
        clone(ctx, &dir, url, branch)
    }
}

/// The directory beside the lab.
fn place(ctx: &StepContext<'_>, name: &str) -> Result<Utf8PathBuf, StepError> {
    let root = ctx.lab.paths.root();
    root.parent().map(|above| above.join(name)).ok_or_else(|| {
        StepError::new("nothing is beside the lab: it is at `/`").exit(Exit::Definition)
    })
}

/// Into a directory of its own first, so that half a clone is never in its place.
fn clone(
    ctx: &StepContext<'_>,
    dir: &Utf8Path,
    url: &str,
    branch: Option<&str>,
) -> Result<Done, StepError> {
    let fresh = Utf8PathBuf::from(format!("{dir}.new"));
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(|error| StepError::io("remove", &fresh, &error))?;
    }
    let mut args = vec!["clone", "--quiet"];
    if let Some(branch) = branch {
        args.extend(["--branch", branch]);
    }
    args.extend(["--", url, fresh.as_str()]);
    run(ctx, url, &args)?;
    fs::rename(&fresh, dir).map_err(|error| StepError::io("move", &fresh, &error))?;
    Ok(Done::new(format!("cloned from {url}")).changed(true))
}

fn update(
    ctx: &StepContext<'_>,
    dir: &Utf8Path,
    url: &str,
    branch: Option<&str>,
) -> Result<Done, StepError> {
    let ask = |args: &[&str]| {
        let git = ChildSpec::new("git", args.iter().copied())
            .cwd(dir)
            .reads(true);
        let said = ctx.exec.capture(&git)?;
        let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        if said.code == 0 {
            return Ok(text);
        }
        let why = said.stderr.lines().last().unwrap_or_default().to_owned();
        Err(StepError::new(format!(
            "`git {}` failed in `{dir}`: {why}",
            args.join(" ")
        )))
    };
    if !ask(&["status", "--porcelain"])?.is_empty() {
        return Ok(Done::skipped(format!("`{dir}` has changes of its own")));
    }
    let before = ask(&["rev-parse", "HEAD"])?;
    let branch = match branch {
        Some(branch) => branch.to_owned(),
        None => ask(&["rev-parse", "--abbrev-ref", "HEAD"])?,
    };
    run(
        ctx,
        url,
        &["-C", dir.as_str(), "fetch", "--quiet", "--", url, &branch],
    )?;
    let fetched = ask(&["rev-parse", "FETCH_HEAD"])?;
    if before == fetched {
        return Ok(Done::new(format!("up to date with {url}")).changed(false));
    }
    // Commits of its own are not thrown away, unless the other side made its branch anew,
    // as a controller does with its work tree.
    let has_own = ask(&["merge-base", "--is-ancestor", &before, &fetched]).is_err();
    if has_own && branch != "_working" {
        return Ok(Done::skipped(format!("`{dir}` has commits of its own")));
    }
    run(
        ctx,
        url,
        &["-C", dir.as_str(), "reset", "--quiet", "--hard", &fetched],
    )?;
    Ok(Done::new(format!("updated from {url}")).changed(true))
}

/// git, which asks nobody. The token goes to the controller alone.
fn run(ctx: &StepContext<'_>, url: &str, args: &[&str]) -> Result<(), StepError> {
    let get = |names: &[&str]| {
        let found = names.iter().find_map(|name| ctx.env.get(name));
        found.filter(|value| !value.is_empty())
    };
    let source = get(&SOURCE).map(|source| source.trim_end_matches('/'));
    let is_controller = source.is_some_and(|source| {
        url.strip_prefix(source)
            .is_some_and(|rest| rest.starts_with('/'))
    });
    let mut words: Vec<String> = Vec::new();
    let token = get(&TOKEN).filter(|_| is_controller);
    if token.is_some() {
        words.extend(["-c", "credential.helper=", "-c"].map(str::to_owned));
        words.push(format!("credential.helper={HELPER}"));
    }
    words.extend(args.iter().map(|arg| (*arg).to_owned()));
    let mut child = ChildSpec::new("git", words).env("GIT_TERMINAL_PROMPT", "0");
    if let Some(token) = token {
        child = child.env("HL_REPO_PASSWORD", token);
    }
    let outcome = ctx.exec.run(&child, &mut |_| {})?;
    outcome.check("git").map_err(|error| {
        error.help(format!(
            "try it by hand: `git ls-remote {url}`; for the controller set `HL_SOURCE` and `HL_TOKEN`"
        ))
    })
}
