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
