//! Asks a machine what it is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use super::facts::Facts;
use crate::base::output;
use crate::diag::{Exit, Failure};

const SCRIPT: &str = include_str!("look.sh");

/// A machine answers within that, or there is something wrong with it.
const LIMIT: Duration = Duration::from_mins(1);

/// This machine, or the one that `ssh` reaches as `[USER@]HOST`.
///
/// # Errors
/// It cannot be asked (69).
pub fn look(ssh: Option<&str>, env: &BTreeMap<String, String>) -> Result<Facts, Failure> {
    let (program, mut args, who) = match ssh {
        None => ("sh", Vec::new(), "this machine".to_owned()),
        Some(to) => (
            "ssh",
            // A user who cannot log in without being asked cannot automate.
            vec!["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "--", to],
            format!("`{to}`"),
        ),
    };
    if ssh.is_some() {
        args.push("sh");
    }
    args.push("-s");
    let path = env.get("PATH").map(String::as_str);
    let program = which::which_in(program, path, "/")
        .map_err(|_| Failure::message(Exit::Runway, format!("there is no `{program}` on PATH")))?;
    let expression = duct::cmd(program, args)
        .full_env(env)
        .stdin_bytes(SCRIPT)
        .stdout_capture()
        .stderr_capture()
        .unchecked();
    let output = match output(&expression, LIMIT) {
        Ok(Some(output)) => output,
        Ok(None) => {
            let limit = LIMIT.as_secs();
            return Err(failed(&who, &format!("no answer within {limit} s"), ssh));
        }
        Err(error) => return Err(failed(&who, &error.kind().to_string(), ssh)),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        let last: String = last
            .unwrap_or("no reason given")
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        return Err(failed(&who, last.trim(), ssh));
    }
    Ok(Facts::read(&String::from_utf8_lossy(&output.stdout)))
}

fn failed(who: &str, why: &str, ssh: Option<&str>) -> Failure {
    let failure = Failure::message(Exit::Runway, format!("{who} cannot be asked: {why}"));
    match ssh {
        Some(to) => failure.help(format!("`ssh {to} true` must work without a question")),
        None => failure,
    }
}
