//! On scenarios, their checks and the verbs of manifests `--timeout` is the limit of the
//! run, and `--step-timeout` that of each step.

use clap::{Arg, Command};

use crate::lab::timeouts::parse_duration;

/// The ids of the two flags of `hl`.
const STEP: &str = "timeout";
const RUN: &str = "run_timeout";

/// What is said of the run's limit where there is none by itself.
const NO_DEFAULT: &str = "Limit for the run, e.g. 45m, or a number of seconds: then nothing new starts, and what runs is interrupted as by Ctrl-C";

/// A command that has the flags of `hl` itself, with these two as scenarios have
/// them.
pub(in crate::cli) fn with_limits(command: Command) -> Command {
    command.mut_arg(STEP, step).mut_arg(RUN, run)
}

/// The command line with these two flags on the verbs of scenarios and of manifests.
pub(in crate::cli) fn with_limits_of_scenarios(command: Command) -> Command {
    let find = |id: &str| command.get_arguments().find(|arg| arg.get_id() == id);
    let (Some(of_step), Some(of_run)) = (find(STEP).cloned(), find(RUN).cloned()) else {
        return command;
    };
    let (of_step, of_run) = (step(of_step), run(of_run));
    command.mut_subcommands(move |verb| match verb.get_name() {
        "scenario" | "preflight" | "doctor" => verb.arg(of_step.clone()).arg(of_run.clone()),
        "create" | "destroy" | "test" => {
            let of_run = of_run.clone().help(NO_DEFAULT);
            verb.arg(of_step.clone()).arg(of_run)
        }
        _ => verb,
    })
}

fn step(arg: Arg) -> Arg {
    arg.long("step-timeout")
}

fn run(arg: Arg) -> Arg {
    arg.long("timeout")
        .short('t')
        .alias("run-timeout")
        .value_parser(time)
        .help("Limit for the run, e.g. 45m, or a number of seconds: then no phase begins, and what runs is interrupted as by Ctrl-C [default: four times what a run usually takes; it interrupts nothing]")
}

/// A time, or a number of seconds.
fn time(text: &str) -> Result<String, String> {
    let seconds = text.parse::<u64>().ok().filter(|seconds| *seconds > 0);
    match (seconds, parse_duration(text)) {
        (Some(seconds), _) => Ok(format!("{seconds}s")),
        (None, Some(_)) => Ok(text.to_owned()),
        (None, None) => {
            Err("expected a time such as 90s or 30m, or a number of seconds".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_number_is_seconds() {
        assert_eq!(time("600").unwrap(), "600s");
        assert_eq!(time("45m").unwrap(), "45m");
        for wrong in ["0", "-3", "soon", ""] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
