//! `/cluster/resources` as JSON text. Its guests are written as they are met: through a
//! serializer, the same twenty keys a thousand times were most of what the list cost.

use std::fmt::Write;

use serde_json::Value;

use super::show;
use super::vm::Vm;
use super::world::World;

/// What the line of a guest is about as long as, in bytes.
const LINE: usize = 320;

/// The figures of a guest that does not run.
const STOPPED: &str = r#""status":"stopped","cpu":0,"mem":0,"disk":0,"uptime":0,"netin":0,"netout":0,"diskread":0,"diskwrite":0"#;

/// The list: guests, then storages, nodes and networks.
pub(super) fn list<'w>(
    world: &'w World,
    guests: impl Iterator<Item = (&'w u32, &'w Vm)>,
    others: &[Value],
) -> String {
    let mut text = String::with_capacity(world.vms.len() * LINE);
    for (vmid, vm) in guests {
        text.push(if text.is_empty() { '[' } else { ',' });
        guest(&mut text, world, *vmid, vm);
    }
    for other in others {
        text.push(if text.is_empty() { '[' } else { ',' });
        put(&mut text, format_args!("{other}"));
    }
    text.push_str(if text.is_empty() { "[]" } else { "]" });
    text
}

/// The line of one guest.
pub(super) fn of_guest(world: &World, vmid: u32, vm: &Vm) -> Value {
    let mut text = String::with_capacity(LINE);
    guest(&mut text, world, vmid, vm);
    // What was written just now is JSON.
    serde_json::from_str(&text).unwrap_or_default()
}

fn guest(text: &mut String, world: &World, vmid: u32, vm: &Vm) {
    let listed = vm.config.listed();
    let figures = show::figures(world, vm, listed);
    let kind = vm.kind.name();
    let kept = &listed.members;
    let cpus = show::maxcpu(world, vm, listed);
    let disk = figures.maxdisk;
    put(
        text,
        format_args!(
            r#"{{"id":"{kind}/{vmid}","type":"{kind}","vmid":{vmid},{kept},"maxcpu":{cpus},"maxdisk":{disk},"#
        ),
    );
    if vm.run.is_some() {
        put(
            text,
            format_args!(
                r#""status":"{}","cpu":{},"mem":{},"disk":{},"uptime":{},"netin":{},"netout":{},"diskread":{},"diskwrite":{}"#,
                figures.status,
                figures.cpu,
                figures.mem,
                figures.disk,
                figures.uptime,
                figures.netin,
                figures.netout,
                figures.diskread,
                figures.diskwrite
            ),
        );
    } else {
        text.push_str(STOPPED);
    }
    let managed = world.managed(vmid);
    let state = managed.map(|state| state.get("state").map_or("started", String::as_str));
    let words = [
        (r#","node":"#, Some(vm.node.as_str())),
        (r#","lock":"#, figures.lock),
        (r#","hastate":"#, state),
        (r#","pool":"#, world.pool_of(vmid)),
    ];
    for (key, word) in words {
        if let Some(word) = word {
            text.push_str(key);
            text.push_str(&serde_json::to_string(word).unwrap_or_default());
        }
    }
    text.push('}');
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Nothing fails to become a `String`.
    text.write_fmt(what).ok();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::seed::Seed;
    use crate::vm::{GuestKind, Run};

    fn world() -> World {
        let mut world = World::seeded(&Seed::default());
        let words = [("name", r#"a "b" \"#), ("tags", "x;y"), ("memory", "2048")];
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let config = BTreeMap::from_iter(words.map(owned));
        let mut vm = Vm::new("pve", config);
        vm.run = Some(Run {
            pid: 1,
            since: world.now() - 100,
            address: None,
            mac: None,
            agent: true,
            paused: false,
            frozen: false,
        });
        vm.lock = Some("backup".to_owned());
        world.vms.insert(100, vm);
        let mut container = Vm::new("pve", BTreeMap::new());
        container.kind = GuestKind::Lxc;
        world.vms.insert(101, container);
        let pool = world.pools.entry("p".to_owned()).or_default();
        pool.members.insert(100);
        world
    }

    #[test]
    fn a_line_says_what_the_status_of_its_guest_does() {
        let world = world();
        let text = list(&world, world.vms.iter(), &[json!({"id": "node/pve"})]);
        let lines: Vec<Value> = serde_json::from_str(&text).unwrap();
        for (line, (vmid, vm)) in lines.iter().zip(&world.vms) {
            let status = json!(show::figures(&world, vm, vm.config.listed()));
            for (key, value) in status.as_object().unwrap() {
                let same = &line[key] == value
                    || line[key].as_f64().is_some() && line[key].as_f64() == value.as_f64();
                assert!(same, "{vmid} {key}: {} {value}", line[key]);
            }
            let own = ["id", "type", "vmid", "template", "maxcpu", "node"];
            let own = own.len() + usize::from(line.get("pool").is_some());
            let others = status.as_object().unwrap().len();
            assert_eq!(line.as_object().unwrap().len(), others + own, "{line}");
            assert_eq!(
                (&line["vmid"], &line["node"]),
                (&json!(vmid), &json!("pve"))
            );
        }
        assert_eq!(lines[0]["name"], r#"a "b" \"#);
        assert_eq!(lines[0]["pool"], "p");
        assert_eq!(lines[1]["id"], "lxc/101");
        assert_eq!(lines[2]["id"], "node/pve");
    }

    #[test]
    fn a_list_of_nothing_is_one() {
        assert_eq!(list(&world(), std::iter::empty(), &[]), "[]");
    }
}
