//! What `systemctl` in a guest answers. PID 1 does all of it; the program in the
//! guest only passes its arguments on and prints the reply.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use rustix::process::Signal;

use super::children;
use super::protocol::{Line, Reply};
use super::services::{Services, State};
use super::show;
use super::units::{Enablement, Lookup, Units};
use crate::base::has_word;

/// The verbs that are open to every user.
const READING: &str = "
    is-active is-enabled is-failed status show cat list-units list-unit-files list-timers
    list-sockets list-jobs is-system-running get-default show-environment";

fn parse(args: &[String]) -> Line {
    let mut line = Line {
        legend: true,
        ..Line::default()
    };
    let mut rest = args.iter();
    let mut plain = false;
    while let Some(arg) = rest.next() {
        let (flag, inline) = match arg.split_once('=') {
            Some((flag, value)) if arg.starts_with("--") => (flag, Some(value.to_owned())),
            _ => (arg.as_str(), None),
        };
        let mut value = || {
            inline
                .clone()
                .or_else(|| rest.next().cloned())
                .unwrap_or_default()
        };
        match flag {
            _ if plain => line.names.push(arg.clone()),
            "--" => plain = true,
            "-p" | "--property" | "-P" => {
                line.value |= flag == "-P";
                line.properties
                    .extend(value().split(',').map(str::to_owned));
            }
            "-t" | "--type" => line.kind = Some(value()),
            "--state" => line.states = value().split(',').map(str::to_owned).collect(),
            "-s" | "--signal" => line.signal = Some(value()),
            "-n" | "--lines" | "-o" | "--output" | "--job-mode" | "--kill-who" | "--kill-whom"
            | "-M" | "-H" | "--root" | "--preset-mode" | "--timestamp" => {
                value();
            }
            "--now" => line.now = true,
            "-q" | "--quiet" => line.quiet = true,
            "--value" => line.value = true,
            "-a" | "--all" => line.all = true,
            "--no-legend" => line.legend = false,
            "--version" | "--failed" => flag.trim_start_matches('-').clone_into(&mut line.verb),
            _ if flag.starts_with('-') => {
                if let Some(p) = flag.strip_prefix("-p").filter(|_| !flag.starts_with("--")) {
                    line.properties.extend(p.split(',').map(str::to_owned));
                }
            }
            _ if line.verb.is_empty() => line.verb.clone_from(arg),
            _ => line.names.push(arg.clone()),
        }
    }
    if line.verb.is_empty() {
        line.verb = line.names.drain(..line.names.len().min(1)).collect();
    }
    if line.verb.is_empty() {
        "list-units".clone_into(&mut line.verb);
    }
    line
}

/// Answers one call.
pub(super) fn answer(services: &Arc<Services>, args: &[String], root: bool) -> Reply {
    let line = parse(args);
    if !root && !has_word(READING, &line.verb) {
        return Reply::fail(4, "Interactive authentication required.");
    }
    let names: Vec<String> = line.names.iter().map(|n| Units::full_name(n)).collect();
    let each = |work: &dyn Fn(&str) -> Result<(), String>| {
        let mut reply = Reply::default();
        for name in &names {
            if let Err(error) = work(name) {
                reply.code = if error.ends_with("not found.") { 5 } else { 1 };
                writeln!(reply.err, "Failed to {} {name}: {error}", line.verb).ok();
            }
        }
        reply
    };
    let restart = |name: &str| services.stop(name).and_then(|()| services.start(name));
    let is_active = |name: &str| services.runtime(&real(services, name)).state.is_active();
    match line.verb.as_str() {
        "start" => each(&|n| services.start(n)),
        "stop" => each(&|n| services.stop(n)),
        "restart" => each(&restart),
        "try-restart" | "condrestart" => each(&|n| if is_active(n) { restart(n) } else { Ok(()) }),
        "reload" => each(&|n| services.reload(n)),
        "reload-or-restart" | "force-reload" => each(&|n| {
            if is_active(n) && services.reload(n).is_ok() {
                return Ok(());
            }
            restart(n)
        }),
        "try-reload-or-restart" | "reload-or-try-restart" => each(&|n| {
            if !is_active(n) || services.reload(n).is_ok() {
                return Ok(());
            }
            restart(n)
        }),
        "enable" | "disable" | "reenable" | "mask" | "unmask" | "preset" => {
            change(services, &line, &names)
        }
        "is-active" | "is-failed" | "is-enabled" => judge(services, &line, &names),
        "status" => show::status(services, &names),
        "show" => show::show(services, &line, &names),
        "cat" => each_text(&names, |n| {
            let found = services.load(n)?;
            let mut text = String::new();
            for path in std::iter::once(&found.path).chain(&found.drop_ins) {
                let body = fs::read_to_string(path).unwrap_or_default();
                writeln!(text, "# {}\n{body}", path.display()).ok();
            }
            Ok(text)
        }),
        "list-units" | "failed" => show::list_units(services, &line),
        "list-unit-files" => show::list_unit_files(services, &line, &names),
        "kill" => each(&|n| {
            let signal = line
                .signal
                .as_deref()
                .map_or(Signal::TERM, children::signal_named);
            for pid in services.processes(&real(services, n)) {
                children::signal(pid, signal);
            }
            Ok(())
        }),
        "reset-failed" => {
            let names = if names.is_empty() {
                services.known()
            } else {
                names
            };
            for name in names {
                services.reset_failed(&name);
            }
            Reply::default()
        }
        "is-system-running" => Reply::say("running\n"),
        "get-default" => Reply::say("multi-user.target\n"),
        "version" => Reply::say("systemd 252 (stand-in of a rehearsal guest)\n"),
        // Unit files are read each time, so there is nothing to reload.
        "daemon-reload" | "daemon-reexec" | "set-default" | "import-environment"
        | "set-environment" | "unset-environment" | "show-environment" | "list-timers"
        | "list-sockets" | "list-jobs" | "preset-all" | "isolate" | "default" => Reply::default(),
        verb => Reply::fail(1, format!("Unknown command verb {verb}.")),
    }
}

/// The name behind an alias.
fn real(services: &Services, name: &str) -> String {
    match services.units.find(name) {
        Lookup::Found(found) => found.unit.name,
        Lookup::Masked | Lookup::Missing => name.to_owned(),
    }
}

fn each_text(names: &[String], work: impl Fn(&str) -> Result<String, String>) -> Reply {
    let mut reply = Reply::default();
    for name in names {
        match work(name) {
            Ok(text) => reply.out.push_str(&text),
            Err(error) => {
                reply.code = 1;
                writeln!(reply.err, "{error}").ok();
            }
        }
    }
    reply
}

fn change(services: &Arc<Services>, line: &Line, names: &[String]) -> Reply {
    let mut reply = Reply::default();
    for name in names {
        let units = &services.units;
        let done = match line.verb.as_str() {
            "enable" | "preset" => units.enable(name),
            "disable" => units.disable(name),
            "mask" => units.mask(name),
            "unmask" => units.unmask(name),
            _ => units.disable(name).and_then(|_| units.enable(name)),
        };
        match done {
            Ok(said) if line.quiet || said.is_empty() => {}
            Ok(said) => {
                writeln!(reply.err, "{}", said.join("\n")).ok();
            }
            Err(error) => {
                reply.code = 1;
                writeln!(reply.err, "Failed to {} unit: {error}", line.verb).ok();
                continue;
            }
        }
        if line.now {
            let moved = match line.verb.as_str() {
                "enable" => services.start(name),
                "disable" | "mask" => services.stop(name),
                _ => Ok(()),
            };
            if let Err(error) = moved {
                reply.code = 1;
                writeln!(reply.err, "{error}").ok();
            }
        }
    }
    reply
}

fn judge(services: &Services, line: &Line, names: &[String]) -> Reply {
    let mut reply = Reply::default();
    let mut good = false;
    for name in names {
        let (word, holds) = if line.verb == "is-enabled" {
            let enabled = services.units.enabled(name);
            if enabled == Enablement::Missing {
                writeln!(
                    reply.err,
                    "Failed to get unit file state for {name}: No such file or directory"
                )
                .ok();
                continue;
            }
            let yes = matches!(
                enabled,
                Enablement::Enabled | Enablement::Static | Enablement::Alias
            );
            (enabled.text(), yes)
        } else {
            let state = services.runtime(&real(services, name)).state;
            let holds = if line.verb == "is-failed" {
                state == State::Failed
            } else {
                state.is_active()
            };
            (state.active(), holds)
        };
        good |= holds;
        if !line.quiet {
            writeln!(reply.out, "{word}").ok();
        }
    }
    reply.code = match (good, line.verb.as_str()) {
        (true, _) => 0,
        (false, "is-active") => 3,
        (false, _) => 1,
    };
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(args: &[&str]) -> Line {
        parse(&args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn reads_the_lines_of_packages_and_ansible() {
        let l = line(&["--system", "--quiet", "is-enabled", "--", "nginx.service"]);
        assert_eq!((l.verb.as_str(), l.quiet), ("is-enabled", true));
        assert_eq!(l.names, ["nginx.service"]);
        let l = line(&["show", "-p", "ActiveState,SubState", "nginx", "--value"]);
        assert_eq!(l.properties, ["ActiveState", "SubState"]);
        assert!(l.value);
        let l = line(&["list-units", "--no-pager", "--type", "service", "--all"]);
        assert_eq!((l.kind.as_deref(), l.all), (Some("service"), true));
        assert_eq!(line(&[]).verb, "list-units");
        assert_eq!(line(&["--property=Id", "show", "x"]).properties, ["Id"]);
        assert_eq!(
            line(&["kill", "-s", "HUP", "x"]).signal.as_deref(),
            Some("HUP")
        );
    }
}
