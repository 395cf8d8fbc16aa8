//! What the bootstrap puts on a machine.

use super::facts::Facts;
use crate::action::Done;
use crate::base::quoted;
use crate::diag::{Advice, StepError, say};

/// `hl` runs, and its directory of configuration is there.
pub(super) fn check(facts: &Facts) -> Result<Done, StepError> {
    let bin = &facts.bin;
    let (machine, etc) = (&facts.machine, &facts.etc);
    if facts.not_executable {
        return Err(
            StepError::new(format!("`{bin}` on {machine} is not executable"))
                .help(facts.command(&format!("chmod 755 {}", quoted(bin)))),
        );
    }
    if facts.does_not_run {
        let message = format!("`{bin}` on {machine} is there, and does not run");
        return Err(StepError::new(message)
            .help(facts.command(&format!("{} --version", quoted(bin))) + " says why")
            .help(install(facts)));
    }
    if facts.hl.is_empty() {
        return Err(StepError::new(format!("`{bin}` is not on {machine}")).help(install(facts)));
    }
    if !facts.has_etc {
        return Err(
            StepError::new(format!("the directory `{etc}` is not on {machine}"))
                .help(facts.command(&format!("mkdir -p {}", quoted(etc)))),
        );
    }
    let mode = u32::from_str_radix(&facts.etc_mode, 8).unwrap_or_default();
    if mode & 0o022 != 0 {
        let message = format!("others may write in `{etc}` on {machine}: its mode is {mode:o}");
        return Err(
            StepError::new(message).help(facts.command(&format!("chmod go-w {}", quoted(etc))))
        );
    }
    Ok(Done::new(format!("{} and `{etc}`", facts.hl)))
}

/// How `hl` gets there: the scenario is for other machines.
fn install(facts: &Facts) -> Advice {
    if facts.shell.is_empty() {
        let command = facts.command("sh scripts/install.sh");
        return Advice::from(format!(
            "install it, in the lab: {command}; its `--help` says where it takes `hl` from"
        ));
    }
    say("install it: ").hl(format!("scenario bootstrap-install {}", facts.named))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Commands;

    #[test]
    fn what_is_advised_is_for_the_machine() {
        let here = Facts {
            machine: "this machine".to_owned(),
            bin: "/usr/local/bin/hl".to_owned(),
            ..Facts::default()
        };
        let there = Facts {
            machine: "`192.0.2.9`".to_owned(),
            shell: vec!["ssh".to_owned(), "ops@192.0.2.9".to_owned()],
            named: "--remote ops@192.0.2.9".to_owned(),
            ..here.clone()
        };
        let told = |facts: &Facts| {
            let error = check(facts).unwrap_err();
            let help = error.help.iter();
            let help: Vec<String> = help.map(|advice| advice.text(Commands::Live)).collect();
            format!("{}: {}", error.message, help.join("; "))
        };
        assert_eq!(
            told(&here),
            "`/usr/local/bin/hl` is not on this machine: install it, in the lab: \
             `sh scripts/install.sh`; its `--help` says where it takes `hl` from"
        );
        assert_eq!(
            told(&there),
            "`/usr/local/bin/hl` is not on `192.0.2.9`: \
             install it: `hl scenario bootstrap-install --remote ops@192.0.2.9`"
        );
        let broken = Facts {
            does_not_run: true,
            ..there
        };
        let said = told(&broken);
        assert!(
            said.starts_with(
                "`/usr/local/bin/hl` on `192.0.2.9` is there, and does not run: \
             `ssh ops@192.0.2.9 '/usr/local/bin/hl --version'` says why"
            ),
            "{said}"
        );
    }
}
