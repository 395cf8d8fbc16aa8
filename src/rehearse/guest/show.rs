//! What `systemctl` shows of units: status, properties, lists.

use std::fmt::Write as _;
use std::fs;

use super::children::Ended;
use super::protocol::{Line, Reply};
use super::services::{Services, State};
use super::units::Lookup;

/// `systemctl status`: code 3 when a unit is not active, 4 when there is none.
pub(super) fn status(services: &Services, names: &[String]) -> Reply {
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

/// `systemctl show`: properties as systemd names them.
pub(super) fn show(services: &Services, line: &Line, names: &[String]) -> Reply {
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
    Reply::say(out)
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
    let names = if real == name {
        real.clone()
    } else {
        format!("{real} {name}")
    };
    let mut all = Vec::new();
    let mut set = |key: &'static str, value: &str| all.push((key, value.to_owned()));
    set("Id", &real);
    set("Names", &names);
    set("LoadState", load);
    set("ActiveState", runtime.state.active());
    set("SubState", runtime.state.sub(service));
    set("NeedDaemonReload", "no");
    set("Result", result);
    set("MainPID", &main);
    set("ExecMainPID", &main);
    set("ExecMainStatus", &status.to_string());
    set("ExecMainCode", &code.to_string());
    if let Lookup::Found(found) = lookup {
        let unit = &found.unit;
        let of = |key: &str| unit.last("Service", key);
        let drop_ins = found.drop_ins.iter().map(|p| p.display().to_string());
        let drop_ins: Vec<String> = drop_ins.collect();
        let yes_no = |yes: bool| if yes { "yes" } else { "no" };
        let text = unit.last("Unit", "Description").unwrap_or(&real);
        set("Description", text);
        set("FragmentPath", &found.path.display().to_string());
        set("DropInPaths", &drop_ins.join(" "));
        set("UnitFileState", services.units.enabled(&real).text());
        set("UnitFilePreset", "enabled");
        set("Type", of("Type").unwrap_or("simple"));
        set("Restart", of("Restart").unwrap_or("no"));
        set("User", of("User").unwrap_or_default());
        set("CanStart", "yes");
        set("CanStop", "yes");
        let reloads = !unit.all("Service", "ExecReload").is_empty();
        set("CanReload", yes_no(reloads));
        let refuses = unit.flag("Unit", "RefuseManualStart");
        set("RefuseManualStart", yes_no(refuses));
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

/// `systemctl list-units` and `--failed`.
pub(super) fn list_units(services: &Services, line: &Line) -> Reply {
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
    Reply::say(out)
}

/// `systemctl list-unit-files`.
pub(super) fn list_unit_files(services: &Services, line: &Line, names: &[String]) -> Reply {
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
