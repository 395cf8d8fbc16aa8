//! `hl site secrets edit` in a terminal of its own, with editors that are
//! scripts.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::world::{CANARY, World};

struct Edited {
    code: u32,
    screen: String,
}

/// Runs the editor; `during` may look at the process while it is open.
fn edit(world: &World, editor: &str, during: impl FnOnce(u32)) -> Edited {
    let script = world.path("editor.sh");
    fs::write(&script, format!("#!/bin/sh\n{editor}\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let command = world
        .hl("site secrets edit")
        .env("EDITOR", script.to_str().unwrap())
        .command();
    let mut builder = CommandBuilder::new(command.get_program());
    builder.args(command.get_args());
    builder.cwd(command.get_current_dir().unwrap());
    builder.env_clear();
    for (name, value) in command.get_envs() {
        builder.env(name, value.unwrap());
    }
    let pair = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut child = pair.slave.spawn_command(builder).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let screen = std::thread::spawn(move || {
        let mut text = Vec::new();
        // A terminal that is gone is its end.
        reader.read_to_end(&mut text).ok();
        String::from_utf8_lossy(&text).into_owned()
    });
    during(child.process_id().unwrap());
    let code = child.wait().unwrap().exit_code();
    drop(pair.master);
    Edited {
        code,
        screen: screen.join().unwrap(),
    }
}

/// Directories of `hl` in memory that belong to this process id.
fn private_dirs(pid: u32) -> Vec<std::path::PathBuf> {
    let prefix = format!("hl-secrets-{pid}-");
    fs::read_dir("/dev/shm")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect()
}

fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_mins(1), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_encrypted_file_is_changed_where_it_must_be() {
    let world = World::sealed();
    let before = world.read("secrets.yaml.enc");
    let mut pid = 0;
    let edited = edit(
        &world,
        "ls -l \"$1\" | cut -c1-10 > ../mode; sed -i s/-site/-new/ \"$1\"",
        |id| pid = id,
    );
    assert_eq!(edited.code, 0, "{}", edited.screen);
    assert!(
        edited.screen.contains("auth.site_token"),
        "{}",
        edited.screen
    );
    assert!(!edited.screen.contains(CANARY), "{}", edited.screen);
    assert_eq!(
        fs::read_to_string(world.path("mode")).unwrap(),
        "-rw-------\n"
    );
    let after = world.read("secrets.yaml.enc");
    let kestrel = |text: &str| {
        let line = text.lines().find(|line| line.contains("kestrel:"));
        line.unwrap().to_owned()
    };
    assert_eq!(kestrel(&before), kestrel(&after));
    assert_ne!(before, after);
    assert!(private_dirs(pid).is_empty());
    // An editor that changes nothing changes nothing.
    let edited = edit(&world, "true", |_| {});
    assert_eq!(edited.code, 0);
    assert!(edited.screen.contains("Unchanged"), "{}", edited.screen);
    assert_eq!(world.read("secrets.yaml.enc"), after);
    world.hl("site secrets decrypt").exits(0);
    assert!(world.read("secrets.yaml").contains("-new"));
}

#[test]
fn a_clear_file_stays_clear_and_private() {
    let world = World::clear();
    fs::set_permissions(
        world.path("site/secrets.yaml"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let edited = edit(&world, "sed -i s/-site/-new/ \"$1\"", |_| {});
    assert_eq!(edited.code, 0, "{}", edited.screen);
    assert!(world.read("secrets.yaml").contains("-new"));
    assert_eq!(world.mode("secrets.yaml"), 0o600);
    let edited = edit(&world, "sed -i s/-new/-newer/ \"$1\"; exit 3", |_| {});
    assert_eq!(edited.code, 3);
    assert!(
        edited.screen.contains("nothing was changed"),
        "{}",
        edited.screen
    );
    assert!(!world.read("secrets.yaml").contains("-newer"));
}

#[test]
fn where_there_are_none_a_file_to_fill_in_is_opened() {
    let world = World::new();
    let edited = edit(&world, "true", |_| {});
    assert_eq!(edited.code, 0, "{}", edited.screen);
    assert!(!world.path("site/secrets.yaml").exists());
    let fill = format!("sed -i 's/^  # vm_root:.*/  vm_root: {CANARY}/' \"$1\"");
    let edited = edit(&world, &fill, |_| {});
    assert_eq!(edited.code, 0, "{}", edited.screen);
    assert!(edited.screen.contains("passwords.vm_root") && !edited.screen.contains(CANARY));
    assert!(
        world
            .read("secrets.yaml")
            .contains(&format!("  vm_root: {CANARY}\n"))
    );
    assert_eq!(world.mode("secrets.yaml"), 0o600);
    world.hl("site secrets check").exits(0).says(&["vm_root"]);
}

#[test]
fn nothing_stays_behind_when_it_is_stopped() {
    for (world, signal) in [
        (World::sealed(), "TERM"),
        (World::sealed(), "HUP"),
        (World::clear(), "TERM"),
    ] {
        let mut pid = 0;
        let open = world.path("open");
        let editor = format!("echo $$ > {}; exec sleep 60", open.display());
        let edited = edit(&world, &editor, |id| {
            pid = id;
            until("the editor opens", || {
                fs::read_to_string(&open).is_ok_and(|text| text.ends_with('\n'))
            });
            assert_eq!(private_dirs(pid).len(), 1);
            super::world::tool("kill", &[&format!("-{signal}"), &id.to_string()], "");
        });
        assert!(edited.code == 143 || edited.code == 1, "{}", edited.code);
        assert!(private_dirs(pid).is_empty());
        let editor = fs::read_to_string(&open).unwrap();
        // The editor itself may outlive sops; nothing of it is ours any more.
        std::process::Command::new("kill")
            .arg(editor.trim())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
    }
}

#[test]
fn a_killed_one_is_cleared_away_by_the_next() {
    let world = World::sealed();
    let open = world.path("open");
    let mut pid = 0;
    let editor = format!("echo $$ > {}; exec sleep 60", open.display());
    edit(&world, &editor, |id| {
        pid = id;
        until("the editor opens", || {
            fs::read_to_string(&open).is_ok_and(|text| text.ends_with('\n'))
        });
        super::world::tool("kill", &["-KILL", &id.to_string()], "");
        let editor = fs::read_to_string(&open).unwrap();
        // It may have ended with its terminal.
        let _ended = std::process::Command::new("kill")
            .args(["-KILL", editor.trim()])
            .output();
    });
    edit(&world, "true", |_| {});
    assert!(private_dirs(pid).is_empty());
}

#[test]
fn without_a_terminal_or_a_key_no_editor_opens() {
    let world = World::sealed();
    world
        .hl("site secrets edit")
        .exits(77)
        .says(&["needs a terminal"]);
    let other = world.path("keys/other.txt");
    fs::copy(other, world.path("keys/own.txt")).unwrap();
    let open = world.path("open");
    let edited = edit(&world, &format!("touch {}", open.display()), |_| {});
    assert_eq!(edited.code, 69);
    assert!(
        edited.screen.contains("none of the age keys"),
        "{}",
        edited.screen
    );
    assert!(!open.exists());
}
