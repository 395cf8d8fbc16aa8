//! `hl platform bootstrap`: scripts as a run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::stage::{SOPS, holders, lab, platform, small, tree};
use crate::e2e::ready;
use crate::support::TestLab;

/// How long something may take.
const PATIENCE: Duration = Duration::from_mins(1);

fn small_lab(script: &str, more: &str) -> TestLab {
    let lab = lab(&["  small: {}\n"]);
    small(&lab, script, more);
    lab.hl("platform render").exits(0);
    lab
}

#[track_caller]
fn wait_for(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(20));
    }
}

/// What a script says of the variables that it has.
const TELLS: &str = "#!/bin/sh
set -eu
env | cut -d= -f1 | sort >told.variables
cat \"$HL_PLATFORM_CONTEXT\" >told.context
stat -c %a \"$(dirname \"$0\")/../../..\" \"$0\" \"$HL_PLATFORM_CONTEXT\" >told.modes
[ \"$HL_PLATFORM_CONTEXT\" = \"$ZTC_CONTEXT_FILE\" ]
echo \"the secret is $SMALL_TOKEN\"
";

#[test]
fn a_script_is_told_what_it_needs_and_nothing_else() {
    let lab = small_lab(
        TELLS,
        "secrets = [\"SMALL_TOKEN\"]\ncontext = { color = \"{{ inputs.color }}\", list = [1, \"{{ environment }}\"] }\n",
    );
    let ran = lab.hl("platform bootstrap --yes").exits(69);
    ran.says(&["`SMALL_TOKEN`", "small.work"]);
    let hl = lab
        .hl("platform bootstrap --yes")
        .env("SMALL_TOKEN", "canary-small")
        .env("OTHER_TOKEN", "canary-other")
        .env("HL_VERBOSE", "1")
        .env("HL_JOBS", "2")
        .env("HL_LAB", lab.root().display().to_string());
    let ran = hl.exits(0);
    assert!(
        !ran.stderr.contains("canary") && !ran.stdout.contains("canary"),
        "{}",
        ran.stderr
    );
    let variables = lab.read("told.variables");
    let has = |name: &str| variables.lines().any(|line| line == name);
    for name in [
        "SMALL_TOKEN",
        "HL_LAB",
        "HL_PLATFORM_CONTEXT",
        "HL_PLATFORM_GENERATED",
        "HL_RUN_ID",
        "PATH",
    ] {
        assert!(has(name), "{name}\n{variables}");
    }
    for name in [
        "OTHER_TOKEN",
        "HL_VERBOSE",
        "HL_JOBS",
        "HL_YES",
        "HL_DRY_RUN",
    ] {
        assert!(!has(name), "{name}\n{variables}");
    }
    let context: serde_json::Value = serde_json::from_str(&lab.read("told.context")).unwrap();
    assert_eq!(context["color"], "red");
    assert_eq!(context["list"], serde_json::json!([1, "production"]));
    let file = context["files"]["small/color.txt"].as_str().unwrap();
    assert!(
        file.ends_with("platform/generated/small/color.txt"),
        "{file}"
    );
    assert_eq!(lab.read("told.modes"), "700\n700\n600\n");
    // All of it is gone, and the secret is nowhere.
    assert_eq!(tree(&lab, "state/platform").len(), 0);
    assert!(
        !lab.path("state/platform")
            .read_dir()
            .is_ok_and(|mut dir| dir.next().is_some())
    );
    assert_eq!(holders(lab.root(), "canary"), [""; 0]);
    // A secret in the context stops it before it is written.
    let definition = "platform/adapters/small/adapter.toml";
    let text = lab
        .read(definition)
        .replace("{{ inputs.color }}", "canary-small");
    lab.write(definition, &text);
    lab.hl("platform render").exits(0);
    let runs = || fs::read_dir(lab.path("state/runs")).unwrap().count();
    let before = runs();
    hl.exits(65).says(&["would hold a secret", "`small.work`"]);
    // No run was begun for it, and it is not written for somebody's hands either.
    assert_eq!(runs(), before);
    lab.hl("platform eject out")
        .env("SMALL_TOKEN", "canary-small")
        .exits(65)
        .says(&["would hold a secret"]);
    assert!(!lab.path("out").exists());
}

#[test]
fn a_failure_halts_and_resume_goes_on_where_it_stopped() {
    let more = "[[script]]\nname = \"second\"\nstage = \"post-work\"\nfile = \"scripts/second.sh\"\ndoc = \"second\"\n\
                [[script]]\nname = \"look\"\nstage = \"check\"\nfile = \"scripts/look.sh\"\ndoc = \"looks\"\n";
    let lab = lab(&["  small: {}\n"]);
    small(&lab, "#!/bin/sh\necho first >>log\n", more);
    let dir = "platform/adapters/small/scripts";
    lab.write(
        &format!("{dir}/second.sh"),
        "#!/bin/sh\n[ -f go ] || exit 7\necho second >>log\n",
    );
    lab.write(&format!("{dir}/look.sh"), "#!/bin/sh\necho look >>log\n");
    lab.hl("platform render").exits(0);
    let dry = lab.hl("platform bootstrap --dry-run").exits(0);
    dry.says(&["would run `small/scripts/work.sh`"]);
    assert!(!lab.path("log").exists());
    lab.hl("platform bootstrap --yes")
        .exits(7)
        .says(&["small.second"]);
    assert_eq!(lab.read("log"), "look\nfirst\n");
    lab.write("go", "");
    lab.hl("resume --yes").exits(0);
    assert_eq!(lab.read("log"), "look\nfirst\nlook\nsecond\n");
    lab.hl("runs show")
        .exits(0)
        .says(&["platform bootstrap --env production"]);
    // What was rendered anew since is bootstrapped anew.
    fs::remove_file(lab.path("go")).unwrap();
    lab.hl("platform bootstrap --yes").exits(7);
    lab.write(
        "platform/platform.yaml",
        &platform(&["  small: {color: blue}\n"]),
    );
    lab.hl("resume --yes")
        .exits(65)
        .says(&["changed since the platform was rendered"]);
    lab.hl("platform render").exits(0);
    lab.write("go", "");
    lab.hl("resume --yes").exits(0);
    let log = lab.read("log");
    assert!(log.ends_with("look\nfirst\nsecond\n"), "{log}");
}

#[test]
fn a_script_that_forks_and_hangs_is_gone_after_its_timeout() {
    // One in its group, one in a session of its own, one that has no variables left.
    let script = "#!/bin/sh\ntrap '' INT TERM\n(trap '' INT TERM; exec sleep 3456) &\necho $$ $! >pids\n\
                  setsid sleep 3457 &\necho $! >>pids\nenv -i \"PATH=$PATH\" setsid sleep 3458 &\n\
                  echo $! >>pids\nwait\nsleep 3456\n";
    let lab = small_lab(script, "timeout = \"2s\"\n");
    let ran = lab.hl("platform bootstrap --yes --json").exits(124);
    ran.says(&["small.work"]);
    // Two seconds that it has, and at most five to be gone.
    let json = ran.json();
    let phases = json["phases"].as_array().unwrap();
    let phase = phases.iter().find(|phase| {
        let name = phase["name"].as_str().unwrap();
        name.ends_with("small.work")
    });
    let took = phase.unwrap()["duration"].as_f64().unwrap();
    assert!((5.5..7.0).contains(&took), "{took}");
    // All were gone when the step was: nothing is waited for.
    let pids = lab.read("pids");
    assert_eq!(pids.split_whitespace().count(), 4, "{pids}");
    for pid in pids.split_whitespace() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .map_or("gone", |(_, rest)| &rest[..1]);
        // One that nobody has reaped yet has ended.
        assert!(["gone", "Z", "X"].contains(&state), "{pid}: {stat}");
    }
    assert_eq!(tree(&lab, "state/platform").len(), 0);
}

#[test]
fn a_script_is_tried_again_as_declared() {
    let script = "#!/bin/sh\necho x >>tries\n[ \"$(wc -l <tries)\" -ge 3 ]\n";
    let lab = small_lab(script, "retry = { times = 2, backoff = \"1s\" }\n");
    lab.hl("platform bootstrap --yes").exits(0);
    assert_eq!(lab.read("tries"), "x\nx\nx\n");
}

/// A killed `hl` leaves its scripts; the next start removes them, and so does vacuum.
#[test]
fn what_a_killed_run_left_is_swept() {
    let lab = small_lab(
        "#!/bin/sh\ntouch begun\nwhile [ ! -f go ]; do sleep 0.05; done\n",
        "",
    );
    let kill = || {
        fs::remove_file(lab.path("begun")).ok();
        let mut child = lab.hl("platform bootstrap --yes").spawn();
        wait_for("it does not begin", || lab.path("begun").exists());
        child.kill().unwrap();
        child.wait().unwrap();
    };
    kill();
    let left = fs::read_dir(lab.path("state/platform")).unwrap().count();
    assert_eq!(left, 1);
    let mode = fs::metadata(lab.path("state/platform"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    lab.write("go", "");
    lab.hl("platform bootstrap --yes").exits(0);
    assert_eq!(fs::read_dir(lab.path("state/platform")).unwrap().count(), 0);
    fs::remove_file(lab.path("go")).unwrap();
    kill();
    // Its script is still at work.
    lab.hl("platform vacuum")
        .exits(0)
        .says(&["nothing to remove"]);
    lab.write("go", "");
    wait_for("its script goes on", || {
        let said = lab.hl("platform vacuum --dry-run").run();
        said.stderr.contains("Would remove")
    });
    lab.hl("platform vacuum --dry-run")
        .exits(0)
        .says(&["Would remove"]);
    lab.hl("platform vacuum")
        .exits(0)
        .says(&["Removed", "1 directory"]);
    lab.hl("platform vacuum")
        .exits(0)
        .says(&["nothing to remove"]);
    lab.hl("resume --yes").exits(0);
}

/// age and sops themselves: the key is made once, kept, and only its public half is in
/// the files of the platform.
#[test]
fn a_key_is_made_once_and_its_public_half_filled_in() {
    if !ready(false, &["age-keygen", "sops"]) {
        return;
    }
    let lab = lab(&[SOPS]);
    lab.hl("platform render").exits(0);
    let ran = lab.hl("platform bootstrap --yes").exits(0);
    assert!(!ran.stderr.contains("AGE-SECRET-KEY"), "{}", ran.stderr);
    let live = lab.read("platform/live/.sops.yaml");
    assert!(
        live.contains("age: age1") && !live.contains("<<hl:"),
        "{live}"
    );
    assert!(
        lab.read("platform/generated/.sops.yaml")
            .contains("<<hl:age_public_key>>")
    );
    assert_eq!(
        holders(lab.root(), "AGE-SECRET-KEY-1"),
        ["state/secrets.env"]
    );
    let mode = fs::metadata(lab.path("state/secrets.env"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    lab.hl("platform validate").exits(0);
    assert!(lab.read("platform/live.json").contains("age_public_key"));
    // A second one finds the key.
    let secrets = lab.read("state/secrets.env");
    lab.hl("platform bootstrap --yes").exits(0);
    assert_eq!(lab.read("state/secrets.env"), secrets);
    assert_eq!(lab.read("platform/live/.sops.yaml"), live);
    // A template that changed since makes what is live stale.
    lab.write(
        "platform/platform.yaml",
        &platform(&["  sops: {path_regex: secrets/}\n"]),
    );
    lab.hl("platform render").exits(0).says(&["Stale"]);
    let json = lab.hl("platform validate --json").exits(1).json();
    assert_eq!(json["stale"], serde_json::json!(["live/.sops.yaml"]));
    lab.hl("platform bootstrap --yes").exits(0);
    lab.hl("platform validate").exits(0);
    assert!(lab.read("platform/live/.sops.yaml").contains("secrets/"));
}

/// A file whose placeholder is gone is as rendered again: what was filled in before is
/// neither told of for ever nor handed to scripts.
#[test]
fn what_no_file_waits_for_any_more_is_forgotten() {
    let script = "#!/bin/sh\nprintf v >\"$HL_PLATFORM_OUTPUT/values/key\"\n\
                  cat \"$HL_PLATFORM_CONTEXT\" >told.context\n";
    let more = "fills = [\"key\"]\n[[placeholder]]\nname = \"key\"\ndoc = \"a key\"\n";
    let lab = lab(&["  small: {}\n"]);
    small(&lab, script, more);
    let template = "platform/adapters/small/templates/color.txt";
    lab.write(template, "old {{ placeholder('key') }}\n");
    lab.hl("platform render").exits(0);
    lab.hl("platform bootstrap --yes").exits(0);
    assert_eq!(lab.read("platform/live/small/color.txt"), "old v\n");
    // Another template: the old file is not handed to the script that fills it.
    lab.write(template, "new {{ placeholder('key') }}\n");
    lab.hl("platform render").exits(0);
    lab.hl("platform bootstrap --yes").exits(0);
    assert_eq!(lab.read("platform/live/small/color.txt"), "new v\n");
    assert!(!lab.read("told.context").contains("platform/live/"));
    // It still stands: the next one is handed it.
    lab.hl("platform bootstrap --yes").exits(0);
    assert!(
        lab.read("told.context")
            .contains("platform/live/small/color.txt")
    );
    lab.write(template, "none\n");
    lab.hl("platform render").exits(0);
    lab.hl("platform validate")
        .exits(1)
        .says(&["stale live/small/color.txt"]);
    lab.hl("platform bootstrap --yes").exits(0);
    lab.hl("platform validate").exits(0);
    assert!(!lab.path("platform/live/small").exists());
    assert!(!lab.read("platform/live.json").contains("color.txt"));
}

#[test]
fn a_value_that_is_a_secret_is_not_filled_in() {
    let more = "secrets = [\"SMALL_TOKEN\"]\nfills = [\"key\"]\n[[placeholder]]\nname = \"key\"\ndoc = \"a key\"\n";
    let lab = lab(&["  small: {}\n"]);
    small(
        &lab,
        "#!/bin/sh\nprintf %s \"$SMALL_TOKEN\" >\"$HL_PLATFORM_OUTPUT/values/key\"\n",
        more,
    );
    lab.write(
        "platform/adapters/small/templates/color.txt",
        "{{ placeholder('key') }}\n",
    );
    lab.hl("platform render").exits(0);
    let hl = lab
        .hl("platform bootstrap --yes")
        .env("SMALL_TOKEN", "canary-small");
    hl.exits(65).says(&["the value of `key` holds a secret"]);
    assert_eq!(holders(lab.root(), "canary"), [""; 0]);
    assert!(!lab.path("platform/live").exists());
}

/// A secret that the run itself makes is as little seen as one that it began with: what
/// its maker says is kept back until it is known, and later scripts may say it.
#[test]
fn a_secret_that_is_made_is_not_shown() {
    let make = "#!/bin/sh\nset -eu\nsecret=canary-made-$(cat seed)\necho \"making $secret\"\n\
                [ -n \"${LEAK_TOKEN:-}\" ] || printf %s \"$secret\" >\"$HL_PLATFORM_OUTPUT/secrets/LEAK_TOKEN\"\n";
    let more = "makes = [\"LEAK_TOKEN\"]\n[[script]]\nname = \"use\"\nstage = \"post-work\"\n\
                file = \"scripts/use.sh\"\ndoc = \"uses it\"\nsecrets = [\"LEAK_TOKEN\"]\n";
    let lab = lab(&["  small: {}\n"]);
    small(&lab, make, more);
    lab.write("seed", "77");
    lab.write(
        "platform/adapters/small/scripts/use.sh",
        "#!/bin/sh\necho \"it is $LEAK_TOKEN\"\necho \"and $LEAK_TOKEN\" >&2\nexit 3\n",
    );
    lab.hl("platform render").exits(0);
    let ran = lab.hl("platform bootstrap --yes").exits(3);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("it is (secret)"), "{said}");
    assert!(!said.contains("canary"), "{said}");
    assert_eq!(holders(lab.root(), "canary-made-77"), ["state/secrets.env"]);
    let logs = holders(&lab.path("state/logs"), "making (secret)");
    assert!(!logs.is_empty(), "what its maker said is in its log");
}

#[test]
fn what_an_earlier_attempt_found_is_not_taken() {
    let script = "#!/bin/sh\nif [ ! -f once ]; then\n  touch once\n  \
                  printf old >\"$HL_PLATFORM_OUTPUT/values/key\"\n  exit 1\nfi\n\
                  [ -f line ] && printf 'a\\nb: c' >\"$HL_PLATFORM_OUTPUT/values/key\"\nexit 0\n";
    let more = "retry = { times = 1, backoff = \"1s\" }\nfills = [\"key\"]\n\
                [[placeholder]]\nname = \"key\"\ndoc = \"a key\"\n";
    let lab = lab(&["  small: {}\n"]);
    small(&lab, script, more);
    lab.write(
        "platform/adapters/small/templates/color.txt",
        "key: {{ placeholder('key') }}\n",
    );
    lab.hl("platform render").exits(0);
    lab.hl("platform bootstrap --yes")
        .exits(65)
        .says(&["found no value for `key`"]);
    // A value is one line: more would say more than the file's template.
    lab.write("line", "");
    lab.hl("platform bootstrap --yes")
        .exits(65)
        .says(&["the value of `key` holds a line break"]);
    assert!(!lab.path("platform/live").exists());
}

#[test]
fn a_bootstrap_is_ejected_to_be_done_by_hand() {
    let lab = small_lab(
        "#!/bin/sh\n[ \"$ZTC_CONTEXT_FILE\" = \"$HL_PLATFORM_CONTEXT\" ] && [ -f \"$ZTC_CONTEXT_FILE\" ] || exit 4\necho by hand >done\n",
        "context = { color = \"{{ inputs.color }}\" }\n",
    );
    lab.hl("platform eject out")
        .exits(0)
        .says(&["out/README.md"]);
    let page = lab.read("out/README.md");
    assert!(page.contains("small.work: does its work"), "{page}");
    assert!(lab.read("out/context/small/work.json").contains("\"red\""));
    let context = fs::metadata(lab.path("out/context/small/work.json")).unwrap();
    assert_eq!(context.permissions().mode() & 0o777, 0o600);
    let commands = page
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap());
    let script = commands.collect::<Vec<_>>().concat();
    let ran = std::process::Command::new("sh")
        .arg("-euc")
        .arg(script)
        .current_dir(lab.root())
        .status()
        .unwrap();
    assert!(ran.success());
    assert_eq!(lab.read("done"), "by hand\n");
    lab.hl("platform eject out")
        .exits(73)
        .says(&["`out` is not empty"]);
}
