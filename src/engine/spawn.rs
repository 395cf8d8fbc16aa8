//! A child's program, variables and working directory.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;

use camino::{Utf8Path, Utf8PathBuf};
use duct::{Handle, cmd};

use super::setup::Setup;
use crate::action::{ChildSpec, StepError};
use crate::diag::Exit;

/// Starts a child in a process group of its own, with nothing to read.
pub(super) fn spawn(
    setup: &Setup<'_>,
    spec: &ChildSpec,
    stdout: File,
    stderr: File,
) -> Result<Handle, StepError> {
    let cwd = cwd(setup, spec)?;
    let program = program(setup, spec, &cwd)?;
    let mut child = cmd(program.as_std_path(), &spec.args)
        .dir(&cwd)
        .stdin_null()
        .stdout_file(stdout)
        .stderr_file(stderr)
        .unchecked()
        .before_spawn(|command| {
            command.process_group(0);
            Ok(())
        });
    for (name, var) in setup.env.iter() {
        child = child.env(name, &var.value);
    }
    let (on, off) = if setup.options.color {
        (("CLICOLOR_FORCE", "1"), "NO_COLOR")
    } else {
        (("NO_COLOR", "1"), "CLICOLOR_FORCE")
    };
    child = child
        .env_remove(off)
        .env(on.0, on.1)
        .env("HL_RUN_ID", &setup.options.run_id);
    for (name, value) in &spec.env {
        child = child.env(name, value);
    }
    for name in &spec.env_remove {
        child = child.env_remove(name);
    }
    child
        .start()
        .map_err(|error| cannot_start(&spec.program, &program, &error))
}

fn cwd(setup: &Setup<'_>, spec: &ChildSpec) -> Result<Utf8PathBuf, StepError> {
    let root = setup.lab.paths.root();
    let cwd = spec
        .cwd
        .as_ref()
        .map_or_else(|| root.to_owned(), |cwd| root.join(cwd));
    if cwd.is_dir() {
        return Ok(cwd);
    }
    Err(StepError::new(format!(
        "`{}` cannot start in `{}`: there is no such directory",
        spec.program,
        setup.lab.paths.show(&cwd)
    )))
}

/// The program's file: what `[tools]` in `hl.toml` says, else the name itself,
/// looked up on the PATH that the child gets.
fn program(setup: &Setup<'_>, spec: &ChildSpec, cwd: &Utf8Path) -> Result<Utf8PathBuf, StepError> {
    let tools = &setup.lab.config.tools;
    let name = tools.get(&spec.program).unwrap_or(&spec.program);
    let path = spec
        .env
        .get("PATH")
        .map(String::as_str)
        .or_else(|| setup.env.get("PATH"))
        .map(OsString::from)
        .or_else(|| std::env::var_os("PATH"));
    let found = which::which_in(name, path, cwd).ok();
    let found = found.and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
    found.ok_or_else(|| not_found(&spec.program, name))
}

fn not_found(wanted: &str, name: &str) -> StepError {
    let mut error = if name.contains('/') {
        StepError::new(format!("there is no program `{name}`"))
    } else {
        StepError::new(format!("`{name}` is not on the PATH"))
            .help("`scripts/tools` installs what the lab needs; `scripts/tools --print-env` says how to find it")
    };
    if wanted != name {
        error = error.help(format!(
            "`[tools]` in hl.toml says to use it for `{wanted}`"
        ));
    }
    error.exit(Exit::Runway)
}

fn cannot_start(wanted: &str, program: &Utf8Path, error: &io::Error) -> StepError {
    StepError::new(format!("cannot start `{wanted}` (`{program}`): {error}")).exit(Exit::Runway)
}
