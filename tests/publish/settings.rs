//! `config/settings.env`: the safety switch is read, and says so.

use crate::support::{Ran, TestLab};

/// A lab whose one recipe changes something.
fn lab(settings: &str) -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l2-things/layer.toml",
        r#"[layer]
id = "l2"
name = "Things"
doc = "Made of commands"
default = "make"
generates = ["out.txt"]

[[recipe]]
name = "make"
doc = "Make a thing"

[[recipe.step]]
id = "write"
use = "command"
with = { argv = ["sh", "-c", "echo made > out.txt"] }
"#,
    );
    lab.write("config/settings.env", settings);
    lab
}

const WHY: &str = "`dry_run=true` in config/settings.env:2: nothing is changed";

#[track_caller]
fn says_why_first_and_last(ran: &Ran) {
    let lines: Vec<&str> = ran.stderr.lines().collect();
    for line in [lines.first().unwrap(), lines.last().unwrap()] {
        assert!(line.contains(WHY), "`{line}` in\n{}", ran.stderr);
    }
    assert_eq!(ran.stderr.matches(WHY).count(), 2, "{}", ran.stderr);
}

#[test]
fn the_switch_in_the_file_makes_every_run_dry_whatever_its_letters() {
    for text in [
        "# safe\ndry_run=true\n",
        "# safe\nDRY_RUN=TRUE\n",
        "\nDry_Run='True'\n",
    ] {
        let lab = lab(text);
        for words in ["make", "l2", "up --yes", "make -q"] {
            says_why_first_and_last(&lab.hl(words).exits(0));
            assert!(!lab.path("out.txt").exists(), "{text:?} {words}");
        }
    }
}

#[test]
fn the_file_stops_clean_too() {
    let lab = lab("# safe\ndry_run=true\n");
    lab.write("out.txt", "kept\n");
    let ran = lab.hl("clean").exits(0);
    ran.says(&["would remove", "out.txt"]);
    says_why_first_and_last(&ran);
    assert!(lab.path("out.txt").exists());
    lab.hl("clean").env("DRY_RUN", "0").exits(0);
    assert!(!lab.path("out.txt").exists());
}

#[test]
fn flag_and_variable_win_over_the_file() {
    let dry = lab("# safe\ndry_run=true\n");
    for live in ["false", "FALSE", "0"] {
        let ran = dry.hl("make").env("DRY_RUN", live).exits(0);
        assert!(!ran.stderr.contains("settings.env"), "{}", ran.stderr);
        assert!(dry.path("out.txt").exists(), "{live}");
        std::fs::remove_file(dry.path("out.txt")).unwrap();
    }
    dry.hl("make --set DRY_RUN=false").exits(0);
    std::fs::remove_file(dry.path("out.txt")).unwrap();
    // The flag says yes, whatever the variable says; a flag set to its default
    // says nothing.
    dry.hl("make --dry-run").env("DRY_RUN", "false").exits(0);
    dry.hl("make").env("HL_DRY_RUN", "0").exits(0);
    assert!(!dry.path("out.txt").exists());

    let live = lab("dry_run=false\n");
    for (name, value) in [
        ("DRY_RUN", "true"),
        ("DRY_RUN", "1"),
        ("HL_DRY_RUN", "1"),
        ("HL_DRY_RUN", "true"),
    ] {
        let ran = live.hl("make").env(name, value).exits(0);
        ran.says(&["nothing was changed"]);
        assert!(!ran.stderr.contains("settings.env"), "{}", ran.stderr);
        assert!(!live.path("out.txt").exists(), "{name}={value}");
    }
    live.hl("make").env("DRY_RUN", "").exits(0);
    assert!(live.path("out.txt").exists());
}

#[test]
fn anything_else_than_true_or_false_runs_nothing() {
    let wrong = lab("# x\n\ndry_run=yes\nreply_enabled=true\n");
    for words in ["make", "make --dry-run", "clean"] {
        wrong.hl(words).exits(65).says(&[
            "config/settings.env:3:1",
            "`dry_run` is `yes`, expected `true` or `false`",
            "write `dry_run=true` or `dry_run=false`",
            "config/settings.env:4:1",
            "did you mean `replay_enabled`?",
        ]);
    }
    // What runs nothing does not need it.
    wrong.hl("list").exits(0);
    let lab = lab("");
    lab.hl("make")
        .env("DRY_RUN", "maybe")
        .exits(2)
        .says(&["`DRY_RUN` is `maybe`"]);
    assert!(!lab.path("out.txt").exists());
}

#[test]
fn a_variable_in_dotenv_is_said_to_have_no_effect() {
    let lab = lab("");
    lab.write(".env", "DRY_RUN=true\n");
    lab.hl("make -n")
        .exits(0)
        .says(&["`DRY_RUN` has no effect in `.env`"]);
}
