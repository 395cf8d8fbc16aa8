//! The search for a lab does not go where others may have put one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::world::{THEIRS, World, own};

/// The lab's own directory is what is searched from below.
fn planted(mode: u32) -> Option<World> {
    let world = World::new()?;
    fs::create_dir_all(world.path("lab/work/deep")).unwrap();
    own(&world.path("lab/work"), 0);
    fs::set_permissions(world.path("lab"), Permissions::from_mode(mode)).unwrap();
    Some(world)
}

#[test]
fn it_ends_at_a_sticky_directory() {
    let Some(world) = planted(0o1777) else { return };
    own(&world.path("lab"), 0);
    own(&world.path("lab/hl.toml"), THEIRS);
    for words in ["list", "go", "env", "up"] {
        let dir = world.path("lab").display().to_string();
        world.hl("lab/work/deep", words).exits(66).says(&[
            &format!("the search ends at `{dir}`"),
            "sticky",
            "--lab DIR",
        ]);
    }
    // Who stands in it is told whose it is.
    world.hl("lab", "go").exits(77).says(&["everybody"]);
    world.nothing_ran("go");
}

#[test]
fn it_ends_at_a_change_of_owner() {
    let Some(world) = planted(0o755) else { return };
    for words in ["list", "go", "env"] {
        world
            .hl("lab/work/deep", words)
            .exits(66)
            .says(&["the search ends at", "belongs to another user"]);
    }
    world.nothing_ran("go");
    // Below directories of one owner it goes on, and meets the question.
    own(&world.path("lab/work"), THEIRS);
    world.hl("lab/work/deep", "go").exits(77);
    world.nothing_ran("go");
}
