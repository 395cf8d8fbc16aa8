//! The command line as a user meets it, on labs of plain commands.

use crate::support::{Hl, TestLab};

/// A lab with one layer of commands.
fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l2-things/layer.toml",
        r#"[layer]
id = "l2"
name = "Things"
doc = "Made of commands"
default = "make"

[[recipe]]
name = "make"
doc = "Make a thing"
params = [{ name = "what", default = "thing" }]

[[recipe.step]]
id = "write"
use = "command"
with = { argv = ["sh", "-c", "echo made {{ what }} | tee out.txt"] }

[[recipe]]
name = "break"
doc = "Fail"

[[recipe.step]]
id = "fail"
use = "command"
with = { argv = ["sh", "-c", "echo it broke >&2; exit 7"] }
"#,
    );
    lab
}

#[test]
fn bare_hl_is_the_list() {
    let lab = lab();
    let bare = lab.hl("").exits(0);
    for words in ["list", "-l", "--list"] {
        assert_eq!(lab.hl(words).exits(0).stdout, bare.stdout);
    }
    insta::assert_snapshot!(bare.stdout, @r"
    L2 Things  Made of commands
        make [WHAT] # Make a thing
        break       # Fail
    Verbs  `hl --help` has all
        hl rehearse # all layers where nothing real can be reached
        hl plan up  # what would change on the node; nothing does
        hl up       # the layers in order, L0 to L4
        hl status   # the lab's status, and the next command
    ");
    assert_eq!(lab.hl("list --names").exits(0).stdout, "make\nbreak\n");
    assert_eq!(
        lab.hl("list --json").exits(0).json()["layers"][0]["recipes"][1]["name"],
        "break"
    );
}

#[test]
fn a_recipe_is_added_by_toml_alone() {
    let lab = lab();
    let layer = lab.read("layers/l2-things/layer.toml");
    lab.write(
        "layers/l2-things/layer.toml",
        &format!(
            "{layer}\n[[recipe]]\nname = \"greet\"\ndoc = \"Say hello\"\nparams = [{{ name = \"who\" }}]\n\n\
             [[recipe.step]]\nid = \"say\"\nuse = \"command\"\nwith = {{ argv = [\"sh\", \"-c\", \"echo hello {{{{ who }}}} > greeting\"] }}\n"
        ),
    );
    lab.hl("list").exits(0).says(&["greet WHO", "# Say hello"]);
    lab.hl("greet")
        .exits(2)
        .says(&["`WHO` is missing", "usage: hl greet WHO"]);
    lab.hl("greet world").exits(0);
    assert_eq!(lab.read("greeting"), "hello world\n");
}

#[test]
fn the_childs_code_is_ours_and_the_failure_says_what_to_do() {
    let lab = lab();
    let ran = lab.hl("break").exits(7);
    ran.says(&[
        "step `break/fail` failed",
        "exited with code 7",
        "| it broke",
        "full log: state/logs/",
        "then resume from here: `hl resume ",
    ]);
    assert!(
        ran.stdout.is_empty(),
        "narration belongs on stderr: {}",
        ran.stdout
    );
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_it_would_do() {
    let lab = lab();
    for words in ["plan make", "make --dry-run", "-n make", "make -n"] {
        lab.hl(words)
            .exits(0)
            .says(&["would run", "nothing was changed"]);
        assert!(!lab.path("out.txt").exists());
    }
    let plan = lab.hl("plan make stone --json").exits(0).json();
    assert_eq!(
        plan["steps"][0]["with"]["argv"][2],
        "echo made stone | tee out.txt"
    );
}

#[test]
fn slips_get_a_suggestion() {
    let lab = lab();
    lab.hl("mkae")
        .exits(66)
        .says(&["`mkae`", "did you mean `make`?"]);
    lab.hl("make a b").exits(2).says(&["hl make [WHAT]"]);
    lab.hl("list --nmaes")
        .exits(2)
        .says(&["--nmaes", "--names"]);
    lab.hl("up --form l2").exits(2).says(&["--form"]);
}

#[test]
fn flags_of_a_verb_may_stand_behind_the_recipe() {
    let lab = lab();
    lab.hl("graph make --format dot")
        .exits(0)
        .says(&["digraph plan"]);
    lab.hl("plan make thing --exit-code").exits(0);
    lab.hl("show make --env").exits(0).says(&["PVE_BRIDGE"]);
    lab.hl("plan up --help")
        .exits(0)
        .says(&["Usage: hl up", "--from"]);
    assert!(!lab.path("out.txt").exists());
}

#[test]
fn a_recipes_own_option_is_its_own_whatever_its_arguments_are() {
    let lab = TestLab::empty();
    lab.write(
        "layers/l9-own/layer.toml",
        "[layer]\nid = \"l9\"\nname = \"Own\"\n\n[[recipe]]\nname = \"deploy\"\n\
         params = [{ name = \"what\" }, { name = \"env\", option = true, default = \"\" }]\n\
         [[recipe.step]]\nid = \"s\"\nuse = \"command\"\ntimeout = \"none\"\n\
         with = { argv = [\"sh\", \"-c\", \"echo $1 $2 ${LIKE:--} > said\", \"-\", \"{{ what }}\", \"{{ env }}\"] }\n",
    );
    for what in ["show", "site", "list", "web"] {
        lab.hl(&format!("deploy {what} --env prod")).exits(0);
        assert_eq!(lab.read("said"), format!("{what} prod -\n"));
        lab.hl(&format!("deploy {what} --env prod --set LIKE=this"))
            .exits(0);
        assert_eq!(lab.read("said"), format!("{what} prod this\n"));
    }
    // Without an option of that name, it is what `--set` was called before.
    let lab = self::lab();
    lab.write(".env", "PVE_NODE=pve1\n");
    for words in [
        "env --set PVE_NODE=a=b",
        "--env PVE_NODE=a=b env",
        "env --env PVE_NODE=a=b",
    ] {
        lab.hl(words).exits(0).says(&["a=b", "# --set"]);
    }
    lab.hl("make --env PVE_NODE=x").exits(0);
    let said = lab.hl("env --env PVE_NODE=x --set PVE_NODE=y --json");
    let said = said.exits(0).json();
    let variables = said["variables"].as_array().unwrap();
    let node = variables.iter().find(|row| row["name"] == "PVE_NODE");
    assert_eq!(node.unwrap()["value"], "y");
    for words in ["show make --env PVE_NODE=x", "show --env PVE_NODE=x make"] {
        lab.hl(words).exits(2).says(&["--set PVE_NODE=x"]);
    }
    lab.hl("templates list --env PVE_NODE=x").exits(0);
    lab.hl("show --env")
        .exits(0)
        .says(&["PVE_NODE", "# .env:1"]);
}

#[test]
fn a_report_of_a_line_that_cannot_be_read_names_the_verb() {
    let lab = lab();
    for words in ["-j 4 up --bogus --json", "--env A=1 up --bogus --json"] {
        assert_eq!(lab.hl(words).exits(2).json()["scenario"], "up", "{words}");
    }
    lab.hl("-j 4 list --bogus --junit out.xml").exits(2);
    assert!(!lab.path("out.xml").exists());
}

#[test]
fn a_verb_that_was_meant_is_named() {
    let lab = lab();
    lab.hl("lst").exits(66).says(&["did you mean `hl list`?"]);
    lab.hl("serve")
        .exits(66)
        .says(&["`serve` is a verb that this version of `hl` does not have yet"]);
    lab.hl("help").exits(0).says(&["Verbs:", "Exit codes"]);
    lab.hl("help make").exits(0).says(&["Usage: hl make"]);
    lab.hl("version").exits(0).says(&["hl 0."]);
}

#[test]
fn a_bad_value_names_the_variable_that_it_came_from() {
    lab()
        .hl("list")
        .env("HL_JOBS", "many")
        .exits(2)
        .says(&["`many` is not a value of `--jobs`", "`HL_JOBS`"]);
}

#[test]
fn variables_are_told_also_where_doppler_gives_nothing() {
    let lab = lab();
    lab.write(".env", "PVE_NODE=pve1\n");
    let ran = lab
        .hl("env")
        .without("DOPPLER")
        .env("PATH", "/usr/bin:/bin")
        .exits(0);
    ran.says(&[
        "warning: Doppler is on, but `doppler` is not installed",
        "# .env:1",
    ]);
    let shown = lab.hl("show make").exits(0).stdout;
    insta::assert_snapshot!(shown, @r#"
    make  # Make a thing
        what = thing  # default
      make/write (command, no limit)
          argv: ["sh","-c","echo made thing | tee out.txt"]
    "#);
}

#[test]
fn a_broken_layer_is_reported_whole_before_anything_runs() {
    let lab = lab();
    lab.write(
        "layers/l3-bad/layer.toml",
        "[layer]\nid = \"l3\"\nname = \"Bad\"\ndoc = \"x\"\nnmae = 1\n\n[[recipe]]\nname = \"list\"\n\n[[recipe.step]]\nid = \"a\"\nuse = \"tofu.aply\"\n",
    );
    let ran = lab.hl("make").exits(65);
    ran.says(&[
        "layers/l3-bad/layer.toml:5:1",
        "`nmae`",
        "layers/l3-bad/layer.toml:8:",
        "`list`",
        "tofu.aply",
    ]);
    assert!(!lab.path("out.txt").exists() && !lab.path("state").exists());
}

#[test]
fn json_is_one_document_and_events_are_lines() {
    let lab = lab();
    let document = lab.hl("make --json").exits(0).json();
    assert_eq!(document["success"], true);
    assert_eq!(document["phases"][0]["name"], "make/write");
    let failed = lab.hl("break --json").exits(7).json();
    assert_eq!(
        (failed["success"].as_bool(), failed["exit"].as_u64()),
        (Some(false), Some(7))
    );
    assert_eq!(failed["phases"][0]["tail"][0], "it broke");
    let events = lab.hl("make --events json").exits(0).stdout;
    let kinds: Vec<String> = events
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["event"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(kinds.first().map(String::as_str), Some("run_started"));
    assert_eq!(kinds.last().map(String::as_str), Some("run_finished"));
}

#[test]
fn output_modes_show_what_they_say() {
    let lab = lab();
    lab.hl("make --output prefix")
        .exits(0)
        .says(&["make/write │ made thing"]);
    lab.hl("make -v")
        .exits(0)
        .says(&["make/write │ made thing"]);
    lab.hl("make --output live")
        .exits(0)
        .says(&["\nmade thing\n"]);
    let quiet = lab.hl("make -q").exits(0);
    assert!(
        quiet.stderr.is_empty() && quiet.stdout.is_empty(),
        "{}",
        quiet.stderr
    );
    lab.hl("break -q")
        .exits(7)
        .says(&["step `break/fail` failed"]);
}

#[test]
fn colours_obey() {
    let lab = lab();
    let escapes = |ran: crate::support::Ran| ran.stderr.contains('\u{1b}');
    assert!(!escapes(lab.hl("make").exits(0)));
    assert!(escapes(lab.hl("make --color always").exits(0)));
    assert!(escapes(lab.hl("make").env("CLICOLOR_FORCE", "1").exits(0)));
    assert!(!escapes(
        lab.hl("make")
            .env("CLICOLOR_FORCE", "1")
            .env("NO_COLOR", "1")
            .exits(0)
    ));
}

#[test]
fn there_is_help_everywhere_and_a_closed_pipe_is_fine() {
    let lab = lab();
    lab.hl("--help").exits(0).says(&["Exit codes", "rehearse"]);
    lab.hl("make --help")
        .exits(0)
        .says(&["Make a thing", "hl make [WHAT]"]);
    lab.hl("man").exits(0).says(&[".TH"]);
    for shell in ["bash", "zsh", "fish"] {
        lab.hl("completions")
            .arg(shell)
            .exits(0)
            .says(&["COMPLETE"]);
    }
    for name in [
        "layer", "hl", "event", "plan", "result", "runs", "run", "status",
    ] {
        assert!(lab.hl("schema").arg(name).exits(0).json()["$schema"].is_string());
    }
    let answer = lab
        .hl("")
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "1")
        .env("_CLAP_IFS", "\n");
    answer
        .arg("--")
        .arg("hl")
        .arg("ma")
        .exits(0)
        .says(&["make", "man"]);
    let mut child = lab.hl("list").command();
    let mut child = child.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_flag_in_front_is_stronger_than_a_variable_whatever_stands_behind() {
    let (lab, other) = (lab(), lab());
    lab.hl("")
        .arg("--lab")
        .arg(lab.root().to_str().unwrap())
        .arg("make")
        .env("HL_LAB", other.root().to_str().unwrap())
        .exits(0);
    assert!(lab.path("out.txt").exists() && !other.path("out.txt").exists());
}

#[test]
fn the_lab_may_be_named_behind_a_recipe_of_it() {
    let (lab, elsewhere) = (lab(), tempfile::tempdir().unwrap());
    let root = lab.root().to_str().unwrap();
    let hl = |words: &str| Hl::new(elsewhere.path()).cmd(words);
    hl("plan make --lab").arg(root).exits(0);
    hl("make").arg(format!("--lab={root}")).exits(0);
    assert!(lab.path("out.txt").exists());
    // Behind two dashes it is the recipe's.
    hl("make --").arg(format!("--lab={root}")).exits(66);
}

#[test]
fn what_the_lab_knows_completes_values() {
    let lab = TestLab::shipped();
    let complete = |words: &[&str]| {
        let mut asked = lab
            .hl("")
            .env("COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
            .env("_CLAP_IFS", "\n")
            .arg("--");
        for word in words {
            asked = asked.arg(*word);
        }
        asked
            .exits(0)
            .stdout
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for (words, wanted) in [
        (&["hl", "up", ""][..], "dev"),
        (&["hl", "up", "--from", ""], "l2"),
        (&["hl", "l2-apply", ""], "dev"),
        (&["hl", "templates", "promote", ""], "debian-13"),
        (&["hl", "plan", ""], "l2-apply"),
        (&["hl", "plan", ""], "up"),
    ] {
        let offered = complete(words);
        assert!(
            offered.iter().any(|word| word == wanted),
            "{words:?}: {offered:?}"
        );
    }
}

#[test]
fn outside_a_lab_the_way_in_is_named() {
    let dir = tempfile::tempdir().unwrap();
    Hl::new(dir.path())
        .cmd("list")
        .exits(66)
        .says(&["hl.toml", "hl new"]);
}
