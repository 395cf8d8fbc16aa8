//! What a script is told: a context without secrets, and variables.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value};

use super::inputs::Inputs;
use super::live::LiveRecord;
use crate::action::StepContext;
use crate::base::ticked;
use crate::diag::{Exit, StepError, hl, say};
use crate::handoff::Runtime;
use crate::lab::variables::{ALL, Group};
use crate::lab::{Redactor, kept_secret, ssh, write};

/// Flags that scripts are given all the same: which lab and which site are meant.
const KEPT_FLAGS: [&str; 2] = ["HL_LAB", "HL_SITE"];

/// Where a script writes what it found.
pub(super) const OUTPUT: &str = "HL_PLATFORM_OUTPUT";

/// The variables of a script: those it gets, and those that are taken away.
pub(super) struct Told {
    pub(super) given: BTreeMap<String, String>,
    pub(super) taken: Vec<String>,
    /// Every secret that the script or the lab has.
    pub(super) secrets: Redactor,
    /// Secrets that the script may make, and that are there already.
    pub(super) made: Vec<String>,
    /// Secrets that it needs and that nobody has set.
    pub(super) missing: Vec<String>,
}

impl Told {
    /// That secrets are missing, if any are.
    ///
    /// # Errors
    /// They are (69).
    pub(super) fn whole(&self) -> Result<(), StepError> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let is = if self.missing.len() == 1 { "is" } else { "are" };
        let message = format!("{} {is} not set", ticked(&self.missing));
        Err(StepError::new(message).exit(Exit::Runway).help(
            say("give it to the lab: ")
                .hl("platform init")
                .say(" asks for it"),
        ))
    }
}

/// Collects what a script is told. Nothing is written.
///
/// # Errors
/// The store of secrets cannot be read (65).
pub(super) fn told(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<Told, StepError> {
    let store = ctx.lab.paths.made_secrets();
    let mut given = BTreeMap::new();
    let (mut missing, mut made) = (Vec::new(), Vec::new());
    for name in inputs.secrets.iter().chain(&inputs.makes) {
        let value = match ctx.env.get(name) {
            Some(value) => Some(value.to_owned()),
            // An earlier step of this run may have made it.
            None => kept_secret(&store, name)?,
        };
        match value {
            Some(value) => {
                if inputs.makes.contains(name) {
                    made.push(name.clone());
                }
                given.insert(name.clone(), value);
            }
            None if inputs.makes.contains(name) => {}
            None => missing.push(name.clone()),
        }
    }
    let known: Vec<String> = ctx
        .env
        .secrets()
        .map(str::to_owned)
        .chain(given.values().cloned())
        .collect();
    let flags = ALL
        .iter()
        .filter(|variable| variable.group == Group::Flag && !KEPT_FLAGS.contains(&variable.name));
    let others = ctx.env.secret_names();
    let taken = flags
        .map(|variable| variable.name)
        .chain(others)
        .filter(|name| !given.contains_key(*name))
        .map(str::to_owned)
        .collect();
    Ok(Told {
        given,
        taken,
        secrets: Redactor::new(known.iter().map(String::as_str)),
        made,
        missing,
    })
}

/// Writes the context of a script, and gives its path.
///
/// # Errors
/// A secret is in it (65), or it cannot be written (73).
pub(super) fn context(
    ctx: &StepContext<'_>,
    inputs: &Inputs,
    told: &Told,
) -> Result<Utf8PathBuf, StepError> {
    let mut context = inputs.context.clone();
    context.insert("files".to_owned(), Value::Object(files(ctx, inputs)?));
    context.insert("published".to_owned(), published(ctx)?);
    let text = serde_json::to_string_pretty(&context).map_err(|error| {
        StepError::new(format!("cannot write the context: {error}")).exit(Exit::Bug)
    })?;
    if told.secrets.text(&text) != text {
        let message = format!(
            "the context of `{}` would hold a secret, nothing was started",
            ctx.step.id
        );
        return Err(StepError::new(message)
            .exit(Exit::Definition)
            .help("a script gets secrets by variables: name them in its `secrets`"));
    }
    let path = inputs
        .dir
        .join("context")
        .join(&inputs.adapter)
        .join(format!("{}.json", inputs.name));
    write(&path, text + "\n", 0o600)?;
    Ok(path)
}

/// The adapter's files, absolute: filled in where that was done since they were rendered,
/// else as rendered.
fn files(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<Map<String, Value>, StepError> {
    let generated = generated(ctx);
    let live = ctx.lab.paths.platform_live();
    let record = LiveRecord::read(&live)?;
    let place = |file: &Utf8PathBuf| {
        let filled = live.join(file);
        if filled.is_file() && record.is_current(&generated, file) {
            filled
        } else {
            generated.join(file)
        }
    };
    let files = inputs.files.iter();
    Ok(files
        .map(|file| (file.to_string(), Value::from(place(file).as_str())))
        .collect())
}

/// The machines that L2 published.
fn published(ctx: &StepContext<'_>) -> Result<Value, StepError> {
    let runtime = Runtime::read(&ctx.lab.paths)?;
    Ok(runtime.unwrap_or_default().machines())
}

/// `platform/generated`
pub(super) fn generated(ctx: &StepContext<'_>) -> Utf8PathBuf {
    ctx.lab.paths.platform().join("generated")
}

/// The variables that every script has.
///
/// # Errors
/// The key that `[ssh]` names is not there (65).
pub(super) fn variables(
    ctx: &StepContext<'_>,
    inputs: &Inputs,
    context: &Utf8Path,
    output: &Utf8Path,
) -> Result<BTreeMap<String, String>, StepError> {
    let paths = &ctx.lab.paths;
    let home = ctx.env.get("HOME").map(Utf8Path::new);
    let mut all = BTreeMap::new();
    for (name, value) in [
        ("HL_PLATFORM_CONTEXT", context.to_owned()),
        ("ZTC_CONTEXT_FILE", context.to_owned()),
        ("HL_PLATFORM_ENVIRONMENT", inputs.environment.clone().into()),
        ("HL_PLATFORM_GENERATED", generated(ctx)),
        ("HL_PLATFORM_LIVE", paths.platform_live()),
        ("HL_PLATFORM_LIB", inputs.dir.join("scripts")),
        ("HL_PLATFORM_KNOWN_HOSTS", paths.known_hosts()),
        (OUTPUT, output.to_owned()),
    ] {
        all.insert(name.to_owned(), value.into_string());
    }
    if let Some(key) = ssh::identity(ctx.lab, home)? {
        all.insert("HL_PLATFORM_SSH_KEY".to_owned(), key.into_string());
    }
    Ok(all)
}

/// What to do when the lab has no secret that a script made.
pub(super) fn not_made(name: &str) -> StepError {
    StepError::new(format!("the script made no `{name}`"))
        .exit(Exit::Definition)
        .help(format!("it must write `${OUTPUT}/secrets/{name}`"))
        .help(hl("platform eject").say(" shows the script"))
}
