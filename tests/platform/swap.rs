//! A rendering that is killed leaves the old platform or the new one.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::stage::{small, tree};
use crate::support::{Numbers, TestLab};

/// Moments at which it is killed; `scripts/proof platform-kills` takes a hundred.
fn moments() -> u32 {
    let given = std::env::var("HL_PLATFORM_MOMENTS").ok();
    given.map_or(8, |given| given.parse().unwrap())
}

fn lab_of_many() -> TestLab {
    let lab = TestLab::empty();
    small(
        &lab,
        "#!/bin/sh\n",
        "[[file]]\ntemplate = \"templates/color.txt\"\npath = \"many/{{ item }}\"\neach = \"range(400)\"\n",
    );
    lab
}

fn choose(lab: &TestLab, color: &str) {
    lab.write(
        "platform/platform.yaml",
        &super::stage::platform(&[&format!("  small: {{color: {color}}}\n")]),
    );
}

#[test]
fn a_kill_leaves_the_old_or_the_new_and_no_mixture() {
    let lab = lab_of_many();
    choose(&lab, "red");
    lab.hl("platform render").exits(0);
    let began = Instant::now();
    choose(&lab, "blue");
    lab.hl("platform render").exits(0);
    let whole = began.elapsed();
    let mut numbers = Numbers::new("HL_PLATFORM_SEED");
    let seed = numbers.seed();
    let (mut old, mut new) = (0, 0);
    let mut color = "blue";
    for moment in 0..moments() {
        let other = if color == "blue" { "red" } else { "blue" };
        choose(&lab, other);
        let micros = u64::try_from(whole.as_micros()).unwrap();
        let wait = Duration::from_micros(numbers.below(micros + micros / 4));
        let mut child = lab.hl("platform render").spawn();
        sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap();
        // `generated` is whole at any time, whoever looks.
        let files = tree(&lab, "platform/generated");
        assert_eq!(files.len(), 401, "moment {moment}, after {wait:?}");
        let first = files.values().next().unwrap().1.clone();
        assert!(
            files.values().all(|(_, data)| *data == first),
            "a mixture at moment {moment}, after {wait:?}"
        );
        // The next command finishes or forgets what was begun: tree, pipeline and lock
        // are of one rendering.
        let json = lab.hl("platform validate --json").run().json();
        let is = |color: &str| first == format!("{color}\n").into_bytes();
        if json["valid"] == true {
            new += 1;
            color = other;
        } else {
            old += 1;
            assert!(is(color), "moment {moment}, after {wait:?}: {json}");
            assert_eq!(json["added"].as_array().unwrap().len(), 0, "{json}");
            assert_eq!(json["removed"].as_array().unwrap().len(), 0, "{json}");
            choose(&lab, color);
            lab.hl("platform validate").exits(0);
        }
    }
    println!("{old} old, {new} new, seed {seed}");
    // Few moments may all be on one side.
    assert!(
        moments() < 50 || (old > 0 && new > 0),
        "{old} old, {new} new"
    );
    let left = tree(&lab, "platform");
    assert!(left.keys().all(|path| !path.starts_with(".render")));
}
