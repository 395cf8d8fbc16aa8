//! A child's program, variables and working directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;

use camino::{Utf8Path, Utf8PathBuf};
use duct::{Handle, cmd};

use super::setup::Setup;
use crate::action::ChildSpec;
use crate::diag::Exit;
use crate::diag::StepError;
use crate::keeper::{Attempt, Order};
use crate::lab::Environment;

/// What is needed to start a child.
pub(super) struct Prepared {
    program: Utf8PathBuf,
    cwd: Utf8PathBuf,
    variables: BTreeMap<String, String>,
}

/// Finds a child's program and working directory, with the variables of that node.
pub(super) fn prepare(
    setup: &Setup<'_>,
    node: Option<&str>,
    spec: &ChildSpec,
) -> Result<Prepared, StepError> {
    let cwd = cwd(setup, spec)?;
    let program = program(setup, spec, &cwd)?;
    let env = setup.env.for_node(node)?;
    let options = &setup.options;
    Ok(Prepared {
        program,
        cwd,
        variables: variables(&env, spec, options.color, &options.run_id),
    })
}

/// Starts a child in a process group of its own, with nothing to read.
pub(super) fn spawn(
    prepared: Prepared,
    spec: &ChildSpec,
    [stdout, stderr]: [File; 2],
) -> Result<Handle, StepError> {
    cmd(prepared.program.as_std_path(), &spec.args)
        .dir(&prepared.cwd)
        .stdin_null()
        .stdout_file(stdout)
        .stderr_file(stderr)
        .unchecked()
        // One map, and nothing inherited beside it: of two `env` calls for one
        // name, duct lets the first win.
        .full_env(prepared.variables)
        .before_spawn(|command| {
            command.process_group(0);
            Ok(())
        })
        .start()
        .map_err(|error| cannot_start(&spec.program, &error.to_string()))
}

/// Orders a child of that attempt from its parent; `says`: the text for its fence.
pub(super) fn order(
    prepared: Prepared,
    spec: &ChildSpec,
    attempt: &Attempt,
    says: String,
) -> Order {
    Order {
        base: attempt.base().to_owned(),
        says,
        program: prepared.program,
        args: spec.args.clone(),
        cwd: prepared.cwd,
        env: prepared.variables,
    }
}

/// What a child gets: the environment (which holds that of the process), then
/// ours, then what the action gives and takes away.
fn variables(
    env: &Environment,
    spec: &ChildSpec,
    color: bool,
    run_id: &str,
) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = env
        .iter()
        .map(|(name, var)| (name.to_owned(), var.value.clone()))
        .collect();
    let (on, off) = if color {
        ("CLICOLOR_FORCE", "NO_COLOR")
    } else {
        ("NO_COLOR", "CLICOLOR_FORCE")
    };
    all.remove(off);
    all.insert(on.to_owned(), "1".to_owned());
    all.insert("HL_RUN_ID".to_owned(), run_id.to_owned());
    all.extend(spec.env.clone());
    for name in &spec.env_remove {
        all.remove(name);
    }
    all
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

/// The program is there and does not start.
pub(super) fn cannot_start(wanted: &str, error: &str) -> StepError {
    StepError::new(format!("cannot start `{wanted}`: {error}")).exit(Exit::Runway)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Provenance, Var};

    #[test]
    fn an_action_wins_over_the_environment_and_takes_away() {
        let mut env = Environment::default();
        for (name, value) in [
            ("SSL_CERT_FILE", "/system"),
            ("TF_WORKSPACE", "x"),
            ("NO_COLOR", "1"),
        ] {
            env.set(
                name,
                Var {
                    value: value.to_owned(),
                    from: Provenance::Process,
                    secret: false,
                },
            );
        }
        let mut spec = ChildSpec::new("tofu", ["plan"]).env("SSL_CERT_FILE", "/lab/ca.pem");
        spec.env_remove = vec!["TF_WORKSPACE".to_owned()];
        let all = variables(&env, &spec, true, "r");
        assert_eq!(
            all.get("SSL_CERT_FILE").map(String::as_str),
            Some("/lab/ca.pem")
        );
        assert!(!all.contains_key("TF_WORKSPACE") && !all.contains_key("NO_COLOR"));
        assert_eq!(all.get("CLICOLOR_FORCE").map(String::as_str), Some("1"));
    }
}
