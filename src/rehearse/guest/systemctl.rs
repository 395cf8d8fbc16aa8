//! What `systemctl` in a guest answers. PID 1 does all of it; the program in the
//! guest only passes its arguments on and prints the reply.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::children::{self, Ended};
use super::services::{Services, State};
use super::units::{Enablement, Lookup, Units};

/// The verbs that are open to every user.
const READING: [&str; 14] = [
    "is-active",
    "is-enabled",
    "is-failed",
    "status",
    "show",
    "cat",
    "list-units",
    "list-unit-files",
    "list-timers",
    "list-sockets",
    "list-jobs",
    "is-system-running",
    "get-default",
    "show-environment",
];

/// What a guest's program asks PID 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Request {
    /// `systemctl`, `hostnamectl`, ...
    pub(super) program: String,
    /// Its arguments.
    pub(super) args: Vec<String>,
}

/// What PID 1 answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Reply {
    /// Exit code.
    pub(super) code: u8,
    /// For standard output.
    pub(super) out: String,
    /// For standard error.
    pub(super) err: String,
}

impl Reply {
    /// A failure with its message.
    pub(super) fn fail(code: u8, message: impl Into<String>) -> Self {
        let mut err = message.into();
        err.push('\n');
        Self {
            code,
            out: String::new(),
            err,
        }
    }
}

#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are switches of a command line"
)]
struct Line {
    verb: String,
    names: Vec<String>,
    properties: Vec<String>,
    kind: Option<String>,
    states: Vec<String>,
    signal: Option<String>,
    now: bool,
    quiet: bool,
    value: bool,
    all: bool,
    legend: bool,
}

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
    if !root && !READING.contains(&line.verb.as_str()) {
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
    let is_active = |name: &str| services.runtime(&real(services, name)).state.is_active();
    match line.verb.as_str() {
        "start" => each(&|n| services.start(n)),
        "stop" => each(&|n| services.stop(n)),
        "restart" => each(&|n| services.stop(n).and_then(|()| services.start(n))),
        "try-restart" | "condrestart" => each(&|n| {
            if is_active(n) {
                services.stop(n).and_then(|()| services.start(n))
            } else {
                Ok(())
            }
        }),
        "reload" => each(&|n| services.reload(n)),
        "reload-or-restart" | "force-reload" => each(&|n| {
            if is_active(n) && services.reload(n).is_ok() {
                return Ok(());
            }
            services.stop(n).and_then(|()| services.start(n))
        }),
        "try-reload-or-restart" | "reload-or-try-restart" => each(&|n| {
            if !is_active(n) || services.reload(n).is_ok() {
                return Ok(());
            }
            services.stop(n).and_then(|()| services.start(n))
        }),
        "enable" | "disable" | "reenable" | "mask" | "unmask" | "preset" => {
            change(services, &line, &names)
        }
        "is-active" | "is-failed" | "is-enabled" => judge(services, &line, &names),
        "status" => status(services, &names),
        "show" => show(services, &line, &names),
        "cat" => each_text(&names, |n| {
            let found = services.load(n)?;
            let mut text = String::new();
            for path in std::iter::once(&found.path).chain(&found.drop_ins) {
                let body = fs::read_to_string(path).unwrap_or_default();
                writeln!(text, "# {}\n{body}", path.display()).ok();
            }
            Ok(text)
        }),
        "list-units" | "failed" => list_units(services, &line),
        "list-unit-files" => list_unit_files(services, &line, &names),
        "kill" => each(&|n| {
            let signal = line.signal.as_deref().map_or(Signal::TERM, signal_named);
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
        "is-system-running" => Reply {
            out: "running\n".to_owned(),
            ..Reply::default()
        },
        "get-default" => Reply {
            out: "multi-user.target\n".to_owned(),
            ..Reply::default()
        },
        "version" => Reply {
            out: "systemd 252 (stand-in of a rehearsal guest)\n".to_owned(),
            ..Reply::default()
        },
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

/// A signal by name or number.
pub(super) fn signal_named(name: &str) -> Signal {
    match name.trim_start_matches("SIG") {
        "HUP" | "1" => Signal::HUP,
        "INT" | "2" => Signal::INT,
        "QUIT" | "3" => Signal::QUIT,
        "KILL" | "9" => Signal::KILL,
        "USR1" | "10" => Signal::USR1,
        "USR2" | "12" => Signal::USR2,
        "WINCH" | "28" => Signal::WINCH,
        _ => Signal::TERM,
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

fn status(services: &Services, names: &[String]) -> Reply {
    let mut reply = Reply::default();
    for name in names {
        let Lookup::Found(found) = services.units.find(name) else {
            reply.code = 4;
            writeln!(reply.err, "Unit {name} could not be found.").ok();
            continue;
        };
        let name = &found.unit.name;
        let runtime = services.runtime(name);
        let text = found.unit.last("Unit", "Description").unwrap_or(name);
        let service = name.ends_with(".service");
        writeln!(
            reply.out,
            "● {name} - {text}\n     Loaded: loaded ({}; {})\n     Active: {} ({})",
            found.path.display(),
            services.units.enabled(name).text(),
            runtime.state.active(),
            runtime.state.sub(service),
        )
        .ok();
        if let Some(main) = runtime.main {
            writeln!(reply.out, "   Main PID: {main}").ok();
        }
        let log = fs::read_to_string(format!("{}/{name}.log", super::service::LOGS));
        let log = log.unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        if !lines.is_empty() {
            reply.out.push('\n');
        }
        for line in lines.iter().rev() {
            writeln!(reply.out, "{line}").ok();
        }
        if !runtime.state.is_active() && reply.code == 0 {
            reply.code = 3;
        }
    }
    reply
}

fn show(services: &Services, line: &Line, names: &[String]) -> Reply {
    let mut out = String::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for (key, value) in properties(services, name) {
            let wanted = line.properties.is_empty() || line.properties.iter().any(|p| p == key);
            if wanted && line.value {
                writeln!(out, "{value}").ok();
            } else if wanted {
                writeln!(out, "{key}={value}").ok();
            }
        }
    }
    Reply {
        out,
        ..Reply::default()
    }
}

fn properties(services: &Services, name: &str) -> Vec<(&'static str, String)> {
    let lookup = services.units.find(name);
    let load = match &lookup {
        Lookup::Found(_) => "loaded",
        Lookup::Masked => "masked",
        Lookup::Missing => "not-found",
    };
    let real = match &lookup {
        Lookup::Found(found) => found.unit.name.clone(),
        Lookup::Masked | Lookup::Missing => name.to_owned(),
    };
    let runtime = services.runtime(&real);
    let service = real.ends_with(".service");
    let (status, code) = match runtime.ended {
        Some(Ended::Code(status)) => (status, 1),
        Some(Ended::Signal(signal)) => (signal, 2),
        None => (0, 0),
    };
    let result = if runtime.state == State::Failed {
        "exit-code"
    } else {
        "success"
    };
    let main = runtime.main.unwrap_or(0).to_string();
    let mut all = vec![
        ("Id", real.clone()),
        (
            "Names",
            if real == name {
                real.clone()
            } else {
                format!("{real} {name}")
            },
        ),
        ("LoadState", load.to_owned()),
        ("ActiveState", runtime.state.active().to_owned()),
        ("SubState", runtime.state.sub(service).to_owned()),
        ("NeedDaemonReload", "no".to_owned()),
        ("Result", result.to_owned()),
        ("MainPID", main.clone()),
        ("ExecMainPID", main),
        ("ExecMainStatus", status.to_string()),
        ("ExecMainCode", code.to_string()),
    ];
    if let Lookup::Found(found) = lookup {
        let unit = &found.unit;
        let drop_ins: Vec<String> = found
            .drop_ins
            .iter()
            .map(|p| p.display().to_string())
            .collect();
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        all.extend([
            (
                "Description",
                unit.last("Unit", "Description").unwrap_or(&real).to_owned(),
            ),
            ("FragmentPath", found.path.display().to_string()),
            ("DropInPaths", drop_ins.join(" ")),
            (
                "UnitFileState",
                services.units.enabled(&real).text().to_owned(),
            ),
            ("UnitFilePreset", "enabled".to_owned()),
            (
                "Type",
                unit.last("Service", "Type").unwrap_or("simple").to_owned(),
            ),
            (
                "Restart",
                unit.last("Service", "Restart").unwrap_or("no").to_owned(),
            ),
            (
                "User",
                unit.last("Service", "User").unwrap_or_default().to_owned(),
            ),
            ("CanStart", "yes".to_owned()),
            ("CanStop", "yes".to_owned()),
            (
                "CanReload",
                yes_no(!unit.all("Service", "ExecReload").is_empty()),
            ),
            (
                "RefuseManualStart",
                yes_no(unit.flag("Unit", "RefuseManualStart")),
            ),
        ]);
    }
    all
}

fn wanted_kind(line: &Line, name: &str) -> bool {
    line.kind.as_deref().is_none_or(|kinds| {
        kinds
            .split(',')
            .any(|kind| name.rsplit_once('.').is_some_and(|(_, k)| k == kind))
    })
}

fn list_units(services: &Services, line: &Line) -> Reply {
    let mut out = String::new();
    let mut names: Vec<String> = services.known();
    if line.all {
        names.extend(
            services
                .units
                .names()
                .into_iter()
                .filter(|n| !n.contains("@.")),
        );
        names.sort();
        names.dedup();
    }
    if line.legend {
        out.push_str("  UNIT LOAD ACTIVE SUB DESCRIPTION\n");
    }
    let mut count = 0;
    for name in names.iter().filter(|n| wanted_kind(line, n)) {
        let Lookup::Found(found) = services.units.find(name) else {
            continue;
        };
        if found.unit.name != *name {
            continue;
        }
        let state = services.runtime(name).state;
        let sub = state.sub(name.ends_with(".service"));
        let shown = if line.verb == "failed" {
            state == State::Failed
        } else if line.states.is_empty() {
            line.all || state != State::Inactive
        } else {
            line.states.iter().any(|s| s == state.active() || s == sub)
        };
        if shown {
            count += 1;
            let text = found.unit.last("Unit", "Description").unwrap_or(name);
            writeln!(out, "  {name} loaded {} {sub} {text}", state.active()).ok();
        }
    }
    if line.legend {
        writeln!(out, "\n{count} loaded units listed.").ok();
    }
    Reply {
        out,
        ..Reply::default()
    }
}

fn list_unit_files(services: &Services, line: &Line, names: &[String]) -> Reply {
    let mut out = String::new();
    if line.legend {
        out.push_str("UNIT FILE STATE PRESET\n");
    }
    let mut count = 0;
    for name in services.units.names() {
        let asked = names.is_empty()
            || names.iter().any(|n| {
                let pattern = n.trim_end_matches(".service").trim_end_matches('*');
                *n == name || (n.contains('*') && name.starts_with(pattern))
            });
        let state = services.units.enabled(&name).text();
        if asked
            && wanted_kind(line, &name)
            && (line.states.is_empty() || line.states.iter().any(|s| s == state))
        {
            count += 1;
            writeln!(out, "{name} {state} enabled").ok();
        }
    }
    if line.legend {
        writeln!(out, "\n{count} unit files listed.").ok();
    }
    Reply {
        code: u8::from(count == 0 && !names.is_empty()),
        out,
        err: String::new(),
    }
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
