//! `hl trust`: given, bound, listed, taken back.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::world::{MINE, THEIRS, World, own};

#[test]
fn typing_it_is_the_consent_and_says_what_it_allows() {
    let Some(world) = World::new() else { return };
    let lab = world.path("lab").display().to_string();
    let dry = world.hl("home", "trust -n").arg(&lab).exits(0);
    dry.says(&["Would trust"]);
    world.hl("lab", "go").exits(77);
    let said = world.hl("home", "trust").arg(&lab).exits(0);
    said.says(&[
        "belongs to uid 4711001",
        "run as `root` (uid 0)",
        "the secrets",
        &format!("hl trust --remove {lab}"),
    ]);
    assert!(said.stdout.is_empty(), "{}", said.stdout);
    world.nothing_ran("trust");
    world.hl("lab", "go").env("DOPPLER", "0").exits(0);
    assert_eq!(world.ran_as(), "0\n");
    world.hl("lab", "env").exits(0);
    assert_eq!(world.ran_as(), "0\n", "Doppler is asked, as the lab says");
    world.hl("home", "trust --remove").arg(&lab).exits(0);
    world.hl("lab", "go").exits(77);
    world.hl("home", "trust --remove").arg(&lab).exits(66);
    assert_eq!(world.ran_as(), "");
}

#[test]
fn another_directory_at_its_path_or_another_owner_is_asked_for_again() {
    let Some(world) = World::new() else { return };
    world.trust("lab");
    world.hl("lab", "list").exits(0);
    own(&world.path("lab"), MINE);
    world.hl("lab", "go").exits(77).says(&["it was trusted at"]);
    own(&world.path("lab"), THEIRS);
    world.hl("lab", "list").exits(0);
    own(&world.path("lab/hl.toml"), MINE);
    world.hl("lab", "go").exits(77);
    own(&world.path("lab"), THEIRS);
    // More people can write it than when it was looked at.
    fs::set_permissions(world.path("lab"), Permissions::from_mode(0o777)).unwrap();
    world.hl("lab", "go").exits(77);
    fs::set_permissions(world.path("lab"), Permissions::from_mode(0o755)).unwrap();
    world.hl("lab", "list").exits(0);
    world.exchange();
    world.hl("lab", "go").exits(77);
    let list = world.hl("home", "trust --list --json").exits(0).json();
    assert_eq!(list["trusted"][0]["state"], "changed");
    assert_eq!(world.ran_as(), "");
    world.trust("lab");
    world.hl("lab", "list").exits(0);
    let list = world.hl("home", "trust --list --json").exits(0).json();
    assert_eq!(list["trusted"].as_array().map(Vec::len), Some(1));
}

#[test]
fn neither_what_is_in_it_nor_what_is_around_it_is_trusted_with_it() {
    let Some(world) = World::new() else { return };
    world.lab("lab/inner", THEIRS);
    world.lab("lab2", THEIRS);
    world.trust("lab");
    world.hl("lab", "list").exits(0);
    world.hl("lab/inner", "go").exits(77);
    world.hl("lab2", "go").exits(77);
    let inner = world.path("lab/inner").display().to_string();
    world.hl("lab", "list --lab").arg(inner).exits(77);
    assert_eq!(world.ran_as(), "");
}

#[test]
fn it_is_the_real_path_that_is_trusted() {
    let Some(world) = World::new() else { return };
    std::os::unix::fs::symlink("lab", world.path("way")).unwrap();
    world.trust("way");
    world.hl("lab", "list").exits(0);
    world.lab("other", THEIRS);
    fs::remove_file(world.path("way")).unwrap();
    std::os::unix::fs::symlink("other", world.path("way")).unwrap();
    let way = world.path("way").display().to_string();
    world.hl("home", "list --lab").arg(way).exits(77);
}

#[test]
fn it_is_named_by_its_argument_or_by_where_one_stands() {
    let Some(world) = World::new() else { return };
    let lab = world.path("lab").display().to_string();
    world.hl("home", "trust").env("HL_LAB", &lab).exits(2);
    world.hl("home", "trust --lab").arg(&lab).exits(2);
    world.hl("home", "trust").exits(66);
    world.hl("home", "trust nowhere").exits(66);
    world.hl("lab", "list").exits(77);
    world.hl("lab", "trust").exits(0).says(&["Trusted"]);
    world.hl("lab", "list").exits(0);
    world.hl("lab", "trust --remove").exits(0);
    world.hl("lab", "list").exits(77);
    // What is the user's own needs none.
    own(&world.path("lab"), 0);
    world.hl("lab", "trust").exits(0).says(&["is yours alone"]);
    let list = world.hl("home", "trust --list --json").exits(0).json();
    assert_eq!(list["schema"], "hl.trust/1");
    assert_eq!(list["trusted"].as_array().map(Vec::len), Some(0));
}

#[test]
fn the_list_is_private_and_names_what_is_gone() {
    let Some(world) = World::new() else { return };
    world.trust("lab");
    let mode = |name: &str| fs::metadata(world.path(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("home/.config/hl/trust.json"), 0o600);
    assert_eq!(mode("home/.config/hl"), 0o700);
    let lab = world.path("lab").display().to_string();
    let listed = world.hl("home", "trust --list").exits(0);
    assert!(listed.stdout.contains(&lab) && listed.stdout.contains("uid 4711001"));
    fs::rename(world.path("lab"), world.path("elsewhere")).unwrap();
    let listed = world.hl("home", "trust --list").exits(0);
    assert!(
        listed.stdout.contains("does not exist now"),
        "{}",
        listed.stdout
    );
    world.hl("elsewhere", "list").exits(77);
    world.hl("home", "trust --remove").arg(&lab).exits(0);
    assert!(world.hl("home", "trust --list").exits(0).stdout.is_empty());
}

/// The `hl` inside is told by who started it: the user's list is out of sight.
#[test]
fn a_trusted_lab_is_rehearsed_and_a_variable_does_not_open_another() {
    let Some(world) = World::new() else { return };
    if let Err(refusal) = hl::rehearse::possible() {
        eprintln!("skipped: {refusal}");
        return;
    }
    world.trust("lab");
    let ran = world
        .hl("lab", "rehearse go -v --set XDG_CONFIG_HOME=/nowhere")
        .env("DOPPLER", "0")
        .exits(0);
    ran.says(&["went"]);
    world
        .hl("lab", "go")
        .env("HOME", world.path("lab").display().to_string())
        .env("HL_REHEARSAL", "1")
        .exits(77);
}
