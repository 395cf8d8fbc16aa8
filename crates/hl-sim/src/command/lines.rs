//! Answers that a program prints in a way of its own.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use super::print::plain;

/// What a description is encoded for: one line of a file with `key: value`.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%').add(b':');

fn text(fields: &Value, key: &str) -> String {
    fields.get(key).map_or_else(String::new, plain)
}

fn number(fields: &Value, key: &str) -> u64 {
    fields.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn items(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.as_array().into_iter().flatten()
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// `qm list`
pub(super) fn guests_of_qm(answer: &Value) -> String {
    let mut out = String::new();
    for guest in items(answer) {
        if out.is_empty() {
            writeln!(
                out,
                "{:>10} {:<20} {:<10} {:<10} {:>12} {:<10}",
                "VMID", "NAME", "STATUS", "MEM(MB)", "BOOTDISK(GB)", "PID"
            )
            .ok();
        }
        writeln!(
            out,
            "{:>10} {:<20} {:<10} {:<10} {:>12.2} {:<10}",
            text(guest, "vmid"),
            text(guest, "name"),
            text(guest, "status"),
            number(guest, "maxmem") >> 20,
            share(number(guest, "maxdisk"), 1 << 30),
            number(guest, "pid")
        )
        .ok();
    }
    out
}

/// `pct list`
pub(super) fn guests_of_pct(answer: &Value) -> String {
    let mut out = String::new();
    for guest in items(answer) {
        if out.is_empty() {
            writeln!(
                out,
                "{:<10} {:<10} {:<12} {:<20}",
                "VMID", "Status", "Lock", "Name"
            )
            .ok();
        }
        let [vmid, status, lock, name] =
            ["vmid", "status", "lock", "name"].map(|key| text(guest, key));
        writeln!(out, "{vmid:<10} {status:<10} {lock:<12} {name:<20}").ok();
    }
    out
}

/// `status: running`
pub(super) fn status(answer: &Value) -> String {
    let key = if answer.get("qmpstatus").is_some() {
        "qmpstatus"
    } else {
        "status"
    };
    format!("status: {}\n", text(answer, key))
}

/// `key: value`, sorted; lines of `lxc` at the end.
pub(super) fn config(answer: &Value) -> String {
    let fields = answer.as_object().into_iter().flatten();
    let mut out = String::new();
    let mut last = String::new();
    for (key, value) in fields.filter(|(key, _)| *key != "digest") {
        if key == "lxc" {
            for line in items(value) {
                let part = |at: usize| line.get(at).map_or_else(String::new, plain);
                writeln!(last, "{}: {}", part(0), part(1)).ok();
            }
        } else if key == "description" {
            let value = plain(value);
            writeln!(out, "{key}: {}", utf8_percent_encode(&value, ENCODED)).ok();
        } else {
            writeln!(out, "{key}: {}", plain(value)).ok();
        }
    }
    out + &last
}

/// `cur key: value`, `new key: value`, `del key: value`
pub(super) fn pending(answer: &Value) -> String {
    let mut out = String::new();
    for line in items(answer) {
        let key = text(line, "key");
        if line.get("delete").is_some() {
            writeln!(out, "del {key}: {}", text(line, "value")).ok();
            continue;
        }
        if line.get("value").is_some() {
            writeln!(out, "cur {key}: {}", text(line, "value")).ok();
        }
        if line.get("pending").is_some() {
            writeln!(out, "new {key}: {}", text(line, "pending")).ok();
        }
    }
    out
}

/// Snapshots, each below its parent.
pub(super) fn snapshots(answer: &Value) -> String {
    let mut out = String::new();
    branch(&mut out, answer, "", 0);
    out
}

fn branch(out: &mut String, answer: &Value, parent: &str, depth: usize) {
    // No world has so many below each other; a circle would.
    if depth > 100 {
        return;
    }
    for snapshot in items(answer).filter(|snapshot| text(snapshot, "parent") == parent) {
        let name = text(snapshot, "name");
        let time = snapshot.get("snaptime").and_then(Value::as_i64);
        let time = time.and_then(|time| jiff::Timestamp::from_second(time).ok());
        let time = time.map_or_else(String::new, |time| {
            time.strftime("%Y-%m-%d %H:%M:%S").to_string()
        });
        let told = text(snapshot, "description");
        let told = told.lines().next().unwrap_or_default();
        writeln!(out, "{:depth$}`-> {name:<27} {time:<23} {told}", "").ok();
        if name != "current" {
            branch(out, answer, &name, depth + 1);
        }
    }
}

/// `pvesm status`
pub(super) fn storages(answer: &Value) -> String {
    let names = items(answer).map(|storage| text(storage, "storage").chars().count());
    let wide = names.max().unwrap_or(0).max("Name".len());
    let mut out = format!(
        "{:<wide$} {:>10} {:>10} {:>15} {:>15} {:>15} {:>8}\n",
        "Name", "Type", "Status", "Total (KiB)", "Used (KiB)", "Available (KiB)", "%"
    );
    for storage in items(answer) {
        let state = match (number(storage, "enabled"), number(storage, "active")) {
            (0, _) => "disabled",
            (_, 0) => "inactive",
            _ => "active",
        };
        let (total, used) = (number(storage, "total"), number(storage, "used"));
        let percent = if total == 0 {
            if state == "disabled" {
                "N/A".to_owned()
            } else {
                "0.00%".to_owned()
            }
        } else {
            format!("{:.2}%", share(used, total) * 100.0)
        };
        writeln!(
            out,
            "{:<wide$} {:>10} {state:>10} {:>15} {:>15} {:>15} {percent:>8}",
            text(storage, "storage"),
            text(storage, "type"),
            total >> 10,
            used >> 10,
            number(storage, "avail") >> 10,
        )
        .ok();
    }
    out
}

/// `pvesm list`
pub(super) fn volumes(answer: &Value) -> String {
    let names = items(answer).map(|volume| text(volume, "volid").chars().count());
    let wide = names.max().unwrap_or(0).max("Volid".len());
    let mut out = format!(
        "{:<wide$} {:<7} {:<9} {:>10} VMID\n",
        "Volid", "Format", "Type", "Size"
    );
    for volume in items(answer) {
        let line = format!(
            "{:<wide$} {:<7} {:<9} {:>10} {}",
            text(volume, "volid"),
            text(volume, "format"),
            text(volume, "content"),
            number(volume, "size"),
            text(volume, "vmid")
        );
        writeln!(out, "{}", line.trim_end()).ok();
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_is_lines_without_a_digest() {
        let told = json!({
            "cores": 2, "description": "one: 100%\ntwo", "digest": "x", "name": "web",
            "lxc": [["lxc.mount", "a"]],
        });
        assert_eq!(
            config(&told),
            "cores: 2\ndescription: one%3A 100%25%0Atwo\nname: web\nlxc.mount: a\n"
        );
    }

    #[test]
    fn snapshots_are_a_tree() {
        let told = json!([
            {"name": "b", "parent": "a", "snaptime": 60},
            {"name": "a", "description": "first\nmore", "snaptime": 0},
            {"name": "current", "parent": "b", "description": "You are here!"},
        ]);
        assert_eq!(
            snapshots(&told),
            "`-> a                           1970-01-01 00:00:00     first\n \
             `-> b                           1970-01-01 00:01:00     \n  \
             `-> current                                             You are here!\n"
        );
    }

    #[test]
    fn lists_have_their_heads() {
        assert_eq!(guests_of_qm(&json!([])), "");
        let guest = json!({
            "vmid": 100, "name": "web", "status": "running", "maxmem": 536_870_912,
            "maxdisk": 3_221_225_472_u64, "pid": 3007,
        });
        assert_eq!(
            guests_of_qm(&json!([guest])),
            "      VMID NAME                 STATUS     MEM(MB)    BOOTDISK(GB) PID       \n       \
             100 web                  running    512                3.00 3007      \n"
        );
        let storage = json!({
            "storage": "local", "type": "dir", "enabled": 1, "active": 1, "total": 4096,
            "used": 1024, "avail": 3072,
        });
        let told = storages(&json!([storage]));
        let words: Vec<&str> = told.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(words, ["local", "dir", "active", "4", "1", "3", "25.00%"]);
        let volume = json!({
            "volid": "local:iso/x.img", "format": "img", "content": "iso", "size": 7,
        });
        assert!(
            volumes(&json!([volume])).ends_with("local:iso/x.img img     iso                7\n")
        );
    }
}
