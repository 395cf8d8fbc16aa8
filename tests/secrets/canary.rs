//! A value that is looked for everywhere while and after `hl` works with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::world::{CANARY, SECRETS, World, holding};

/// Of this file alone: other tests have editors open meanwhile.
const LOOKOUT: &str = "lookout-93c5";

/// Arguments of the processes of this machine that hold the canary.
fn arguments(text: &str) -> Vec<String> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .filter(|line| line.contains(text))
        .collect()
}

/// What is left in the places for temporary files.
fn left_over(world: &World) -> Vec<PathBuf> {
    let mut found = Vec::new();
    holding(&world.path("tmp"), LOOKOUT, &mut found);
    holding(Path::new("/dev/shm"), LOOKOUT, &mut found);
    found
}

/// `sops` with a window: it waits while it holds the clear text, so that there
/// is time to look.
fn slow_sops(world: &World) -> String {
    let bin = world.path("bin");
    fs::create_dir(&bin).unwrap();
    let real = which::which("sops").unwrap();
    let script = format!(
        "#!/bin/sh\nexec 3>&1\n[ \"$1\" = decrypt ] || exec {real} \"$@\"\n{real} \"$@\" | {{ sleep 0.3; cat; }}\n",
        real = real.display()
    );
    fs::write(bin.join("sops"), script).unwrap();
    fs::set_permissions(bin.join("sops"), fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

#[test]
fn no_value_is_in_output_arguments_or_files() {
    let world = World::sealed_with(&SECRETS.replace(CANARY, LOOKOUT));
    let path = slow_sops(&world);
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = Vec::new();
            let mut looks = 0;
            while !done.load(Ordering::SeqCst) {
                seen.extend(arguments(LOOKOUT));
                seen.extend(left_over(&world).iter().map(|p| p.display().to_string()));
                looks += 1;
            }
            assert!(looks > 2);
            seen
        });
        for words in [
            "site secrets check",
            "site secrets check --json",
            "-v site secrets check",
        ] {
            let ran = world.hl(words).env("PATH", &path).exits(0);
            for text in [ran.stdout, ran.stderr] {
                assert!(!text.contains(LOOKOUT), "hl {words}: {text}");
            }
        }
        done.store(true, Ordering::SeqCst);
        watcher.join().unwrap()
    });
    assert!(seen.is_empty(), "{seen:?}");
    let mut found = Vec::new();
    holding(&world.path(""), LOOKOUT, &mut found);
    assert_eq!(found, Vec::<PathBuf>::new());
}

/// A node and an environment whose machine has a token, beside the secrets.
fn with_tree(world: &World) {
    for (file, text) in [
        ("nodes/kestrel.yaml", "datastore: tank\nip: 192.0.2.10\n"),
        (
            "envs/vault.yaml",
            "posture: prod\nvms:\n  - {name: vault1, template: tiny}\n",
        ),
        (
            "vms/tiny.yaml",
            "image: debian-13\ncores: 1\nmemory: 512\ndisk: 8\n",
        ),
        ("postures/prod.yaml", "ssh_port: 22\n"),
        ("v2/postures/prod.yaml", "auth: {method: node_token}\n"),
        (
            "v2/specs/vault1.yaml",
            "schema_version: 1\naccess: {posture: prod}\n",
        ),
        (
            "hosts/heron.yaml",
            "access: {authorized_keys: [ana@desk]}\n",
        ),
    ] {
        let path = world.path("site").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

const TOFU: &str = "site resolve tofu -E vault -N kestrel";

/// Every answer that has secrets in it, from a file that sops itself encrypted.
#[test]
fn answers_hide_what_they_were_not_asked_to_show() {
    let world = World::sealed_with(&SECRETS.replace(CANARY, LOOKOUT));
    with_tree(&world);
    let path = slow_sops(&world);
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = Vec::new();
            while !done.load(Ordering::SeqCst) {
                seen.extend(arguments(LOOKOUT));
                seen.extend(left_over(&world).iter().map(|p| p.display().to_string()));
            }
            seen
        });
        for words in [
            "site check",
            TOFU,
            "site resolve tofu -E vault -N kestrel --explain",
            "site resolve vm -N kestrel --name vault1 --template tiny --posture prod",
            "site resolve ansible -E vault",
            "site resolve spec vault1",
            "site resolve host kestrel",
        ] {
            let ran = world.hl(words).env("PATH", &path).exits(0);
            for text in [ran.stdout, ran.stderr] {
                assert!(!text.contains(LOOKOUT), "hl {words}: {text}");
            }
        }
        done.store(true, Ordering::SeqCst);
        watcher.join().unwrap()
    });
    assert!(seen.is_empty(), "{seen:?}");
    let hidden = world.hl(TOFU).exits(0).json();
    for (key, at) in [("api_token", &hidden), ("auth_token", &hidden["vms"][0])] {
        assert_eq!(at[key], "(secret)", "{hidden}");
    }
    // The two that were asked for.
    let shown = world.hl(TOFU).arg("--reveal").exits(0).json();
    assert_eq!(shown["vms"][0]["auth_token"], format!("{LOOKOUT}-vault"));
    assert_eq!(shown["root_password"], format!("$6$salt${LOOKOUT}"));
    let out = world.path("vars.json");
    let ran = world
        .hl(TOFU)
        .arg("--write")
        .arg(out.to_str().unwrap())
        .exits(0);
    assert!(!ran.stdout.contains(LOOKOUT) && !ran.stderr.contains(LOOKOUT));
    assert_eq!(out.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let written: serde_json::Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    assert_eq!(written, shown);
    let mut found = Vec::new();
    holding(&world.path(""), LOOKOUT, &mut found);
    assert_eq!(found, [out]);
}

#[test]
fn with_the_wrong_key_nothing_is_resolved() {
    let world = World::sealed();
    with_tree(&world);
    let other = world.path("keys/other.txt");
    let out = world.path("vars.json");
    for words in [
        TOFU,
        "site resolve ansible -E vault",
        "site resolve spec vault1",
    ] {
        let hl = world
            .hl(words)
            .env("SOPS_AGE_KEY_FILE", other.to_str().unwrap());
        for sink in [None, Some("--reveal"), Some("--write")] {
            let mut hl = hl.clone();
            if let Some(sink) = sink {
                hl = hl.arg(sink);
            }
            if sink == Some("--write") {
                hl = hl.arg(out.to_str().unwrap());
            }
            let ran = hl.exits(69);
            ran.says(&["none of the age keys here opens"]);
            assert_eq!(ran.stdout, "");
            assert!(!out.exists());
        }
    }
}

#[test]
fn the_watch_would_see_it() {
    let text = "lookout-of-its-own";
    let world = World::new();
    let mut child = std::process::Command::new("sh")
        .args(["-c", "read x", text])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert!((0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        !arguments(text).is_empty()
    }));
    drop(child.stdin.take());
    child.wait().unwrap();
    fs::write(world.path("tmp/x"), format!("a {text} b")).unwrap();
    let mut found = Vec::new();
    holding(&world.path(""), text, &mut found);
    assert_eq!(found, [world.path("tmp/x")]);
}
