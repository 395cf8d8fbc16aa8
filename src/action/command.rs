//! `command` and `script`: what a user adds to a lab without writing Rust.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{About, Action, Basis, ChildSpec, Done, Reads, StepContext};
use crate::base::quoted;
use crate::diag::Exit;
use crate::diag::StepError;

/// Runs what is not of `hl`.
#[derive(Debug, Clone, Copy)]
pub enum Program {
    /// `command`: a program with arguments. No shell is between.
    Command,
    /// `script`: a file of the layer's folder.
    Script,
}

/// Inputs of `command`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CommandInputs {
    /// Program and arguments, one item each; no shell splits or expands them.
    #[schemars(length(min = 1))]
    argv: Vec<String>,
    /// Working directory, relative to the lab; the lab itself when absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    cwd: Option<Utf8PathBuf>,
    /// Variables on top of the lab's environment.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// It changes nothing: it is started without the process that writes down how
    /// it ended, and simply runs again when `hl` was killed.
    #[serde(default)]
    reads: bool,
}

/// Inputs of `script`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ScriptInputs {
    /// An executable file, relative to the layer's folder.
    #[schemars(with = "String")]
    file: Utf8PathBuf,
    /// Its arguments.
    #[serde(default)]
    args: Vec<String>,
    /// Working directory, relative to the lab; the lab itself when absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    cwd: Option<Utf8PathBuf>,
    /// Variables on top of the lab's environment.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// It changes nothing: it is started without the process that writes down how
    /// it ended, and simply runs again when `hl` was killed.
    #[serde(default)]
    reads: bool,
}

impl Action for Program {
    fn about(&self) -> About {
        let about = match self {
            Self::Command => About::of::<CommandInputs>("command")
                .doc("run a program with arguments, without a shell"),
            Self::Script => About::of::<ScriptInputs>("script")
                .doc("run an executable file of the layer's folder"),
        };
        about.unlimited()
    }

    fn basis(&self, ctx: &StepContext<'_>) -> Result<Basis, StepError> {
        Ok(Basis::On(reads(ctx, &self.spec(ctx)?)))
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        Ok(show(ctx, &self.spec(ctx)?))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        run(ctx, &self.spec(ctx)?)
    }
}

impl Program {
    fn spec(self, ctx: &StepContext<'_>) -> Result<ChildSpec, StepError> {
        match self {
            Self::Command => {
                let inputs: CommandInputs = ctx.inputs()?;
                let Some((program, args)) = inputs.argv.split_first() else {
                    let empty = "`argv` is empty, expected a program and its arguments";
                    return Err(StepError::new(empty).exit(Exit::Definition));
                };
                Ok(spec(program, args, inputs.cwd, inputs.env).reads(inputs.reads))
            }
            Self::Script => {
                let inputs: ScriptInputs = ctx.inputs()?;
                let file = script(ctx, &inputs.file)?;
                let child = spec(file.as_str(), &inputs.args, inputs.cwd, inputs.env);
                Ok(child.reads(inputs.reads))
            }
        }
    }
}

/// The script's file, inside the layer's folder `layers/ID` or `layers/ID-NAME`.
fn script(ctx: &StepContext<'_>, file: &Utf8Path) -> Result<Utf8PathBuf, StepError> {
    let wrong = |message: String| StepError::new(message).exit(Exit::Definition);
    let folder = ctx.layer_dir().ok_or_else(|| {
        let id = ctx.step.layer.as_deref().unwrap_or_default();
        wrong(format!(
            "layer `{id}` has no folder to look for `{file}` in"
        ))
    })?;
    let shown = ctx.lab.paths.show(&folder.join(file));
    let missing = |e: std::io::Error| wrong(format!("cannot use script `{shown}`: {e}"));
    let real = folder.join(file).canonicalize_utf8().map_err(missing)?;
    if !real.starts_with(folder.canonicalize_utf8().map_err(missing)?) {
        return Err(wrong(format!(
            "script `{file}` is outside of its layer's folder"
        )));
    }
    if rustix::fs::access(real.as_std_path(), rustix::fs::Access::EXEC_OK).is_err() {
        return Err(
            wrong(format!("script `{shown}` is not executable")).help(format!("chmod +x {shown}"))
        );
    }
    Ok(real)
}

fn spec(
    program: &str,
    args: &[String],
    cwd: Option<Utf8PathBuf>,
    env: BTreeMap<String, String>,
) -> ChildSpec {
    ChildSpec {
        env,
        cwd,
        tells_all: true,
        ..ChildSpec::new(program, args)
    }
}

/// The files of the lab that the words of its command line name.
fn reads(ctx: &StepContext<'_>, child: &ChildSpec) -> Reads {
    let root = ctx.lab.paths.root();
    let cwd = child
        .cwd
        .as_ref()
        .map_or(root.to_owned(), |cwd| root.join(cwd));
    let words = std::iter::once(&child.program).chain(&child.args);
    let files = words.map(|word| cwd.join(word));
    Reads::paths(files.filter(|file| file.starts_with(root) && file.is_file()))
}

fn show(ctx: &StepContext<'_>, child: &ChildSpec) -> Done {
    let program = ctx.lab.paths.show(Utf8Path::new(&child.program));
    let words: Vec<String> = std::iter::once(program.as_str())
        .chain(child.args.iter().map(String::as_str))
        .map(quoted)
        .collect();
    Done::new(format!("would run `{}`", words.join(" ")))
}

fn run(ctx: &StepContext<'_>, child: &ChildSpec) -> Result<Done, StepError> {
    let outcome = ctx.exec.run(child, &mut |_| {})?;
    let program = Utf8Path::new(&child.program);
    let name = program.file_name().unwrap_or(&child.program);
    outcome.check(name)?;
    Ok(Done::new(format!("`{name}` done")))
}
