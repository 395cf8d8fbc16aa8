//! A bootstrap to be done by hand: scripts, what each is told, and a page that says
//! what to type.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde_json::Value;

use super::model::Stage;
use super::pipeline::Entry;
use super::render::Rendered;
use super::scripts::files;
use super::selection::Platform;
use crate::base::Lines;
use crate::diag::{Exit, Failure};

/// The files of an ejected bootstrap by path, each with its mode.
pub type Ejected = BTreeMap<Utf8PathBuf, (u32, String)>;

/// The files. Paths in them are relative to the lab, where the page says to stand;
/// `dir` is where they will be, relative to it or absolute.
///
/// # Errors
/// The pipeline cannot be written as text (70).
pub fn eject(platform: &Platform<'_>, rendered: &Rendered, dir: &str) -> Result<Ejected, Failure> {
    let mut all = Ejected::new();
    for member in &platform.members {
        for (path, text) in files(member.adapter) {
            let target = Utf8PathBuf::from("scripts").join(member.name()).join(path);
            all.insert(target, (0o755, text.to_owned()));
        }
    }
    for entry in &rendered.pipeline.stages {
        let mut told = entry.context.clone();
        let own = rendered.files.iter();
        let own = own.filter(|(_, file)| file.adapter == entry.adapter);
        let own = own.map(|(path, _)| {
            let place = format!("platform/generated/{path}");
            (path.to_string(), Value::from(place))
        });
        told.insert("files".to_owned(), Value::Object(own.collect()));
        let text = serde_json::to_string_pretty(&told).map_err(|error| {
            Failure::message(Exit::Bug, format!("cannot write a context: {error}"))
        })?;
        let target = Utf8PathBuf::from(context(entry));
        all.insert(target, (0o644, text + "\n"));
    }
    let pipeline = (0o644, rendered.pipeline.text()?);
    all.insert("pipeline.yaml".into(), pipeline);
    all.insert("README.md".into(), (0o644, page(rendered, dir)));
    Ok(all)
}

fn context(entry: &Entry) -> String {
    let name = entry.name.rsplit('.').next().unwrap_or_default();
    format!("context/{}/{name}.json", entry.adapter)
}

fn page(rendered: &Rendered, dir: &str) -> String {
    let mut out = String::new();
    let absolute = if dir.starts_with('/') {
        dir.to_owned()
    } else {
        format!("$PWD/{dir}")
    };
    out.line(format_args!(
        "# Bootstrap by hand: {}",
        rendered.lock.environment
    ));
    out.line("");
    out.line("What `hl platform bootstrap` runs, script by script. Stand in the lab, and stop at");
    out.line("the first script that does not end with 0.");
    out.line("");
    out.line("A script that makes secrets writes each to `$HL_PLATFORM_OUTPUT/secrets/NAME`: keep");
    out.line(
        "them in `state/secrets.env` (mode 0600) before you go on. Values for placeholders are",
    );
    out.line("in `$HL_PLATFORM_OUTPUT/values/NAME`: put each into a copy of the rendered file, in");
    out.line("`platform/live/`, in the place of `<<hl:NAME>>`.");
    out.line("");
    out.line("```sh");
    out.line("umask 077");
    out.line("export HL_PLATFORM_OUTPUT=$(mktemp -d)");
    out.line("mkdir -p \"$HL_PLATFORM_OUTPUT/secrets\" \"$HL_PLATFORM_OUTPUT/values\"");
    out.line("export HL_PLATFORM_GENERATED=$PWD/platform/generated");
    out.line("export HL_PLATFORM_LIVE=$PWD/platform/live");
    out.line(format_args!("export HL_PLATFORM_LIB={absolute}/scripts"));
    out.line(format_args!(
        "export HL_PLATFORM_ENVIRONMENT={}",
        rendered.lock.environment
    ));
    out.line("```");
    let mut last = None;
    for entry in &rendered.pipeline.stages {
        if last != Some(entry.stage) {
            out.line("");
            out.line(format_args!("## {}", title(entry.stage)));
            last = Some(entry.stage);
        }
        out.line("");
        out.line(format_args!("{}: {}", entry.name, entry.description));
        out.line("");
        if !entry.secrets.is_empty() {
            out.line(format_args!(
                "Needs {} in its environment.",
                entry.secrets.join(", ")
            ));
            out.line("");
        }
        if !entry.makes.is_empty() {
            out.line(format_args!("Makes {}.", entry.makes.join(", ")));
            out.line("");
        }
        out.line("```sh");
        out.line(format_args!(
            "HL_PLATFORM_CONTEXT={absolute}/{} timeout {} {absolute}/scripts/{}",
            context(entry),
            entry.timeout,
            entry.script
        ));
        out.line("```");
    }
    out
}

fn title(stage: Stage) -> &'static str {
    match stage {
        Stage::Check => "Checks",
        Stage::PreWork => "Pre-work",
        Stage::Bootstrap => "Bootstrap",
        Stage::PostWork => "Post-work",
        Stage::Validation => "Validation",
    }
}
