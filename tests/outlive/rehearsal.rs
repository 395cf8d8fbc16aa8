//! A rehearsal without a terminal: it is followed, asked for and stopped from outside,
//! and from nowhere inside.

use std::fs;

use super::answers::question;
use super::detached::{answers, begun, ended_in, exit, journal_in, stops};
use super::processes::wait_for;
use crate::e2e::ready;
use crate::support::{Hl, TestLab};

/// Where rehearsals keep their runs.
const STATE: &str = "state/rehearsal/state";

/// A lab with a plan of tofu that needs no node, and a recipe that looks around.
fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "env.example",
        "PVE_ACCESS_HOST=192.168.1.10\nPVE_NODE=pve\n",
    );
    lab.write(
        "module/main.tf",
        "terraform {\n  backend \"local\" {}\n}\nresource \"terraform_data\" \"label\" {\n  input = \"notes\"\n}\n",
    );
    lab.write("vars.json", "{}");
    fs::create_dir(lab.path("run")).unwrap();
    let target = "env = \"dev\", node = \"pve\", dir = \"module\", key = \"own\"";
    let vars = lab.path("vars.json").display().to_string();
    let sockets = lab.path("run/hl").display().to_string();
    let look = format!(
        "{{ ls -A {sockets}; ls -l /proc/self/fd /proc/[0-9]*/fd; }} >state/rehearsal/seen 2>&1; \
         n=0; until [ $n -gt 1200 ]; do sleep 0.1; n=$((n+1)); done"
    );
    lab.write(
        "layers/l2-t/layer.toml",
        &format!(
            "[layer]\nid = \"l2\"\nname = \"T\"\ndoc = \"t\"\ndefault = \"make\"\n\n\
             [[recipe]]\nname = \"make\"\ndoc = \"d\"\napprove = \"apply\"\n\n\
             [[recipe.step]]\nid = \"init\"\nuse = \"tofu.init\"\nwith = {{ {target} }}\n\n\
             [[recipe.step]]\nid = \"plan\"\nuse = \"tofu.plan\"\n\
             with = {{ {target}, vars_file = \"{vars}\" }}\n\n\
             [[recipe.step]]\nid = \"apply\"\nuse = \"tofu.apply\"\n\
             with = {{ {target}, plan_file = \"{{{{ steps.plan.plan_file }}}}\" }}\n\n\
             [[recipe]]\nname = \"look\"\ndoc = \"d\"\n\n\
             [[recipe.step]]\nid = \"s\"\nuse = \"command\"\n\
             with = {{ argv = [\"sh\", \"-c\", \"{look}\"] }}\n"
        ),
    );
    lab
}

/// `hl` as everybody on the machine calls it, with a runtime directory.
fn hl(lab: &TestLab, words: &str) -> Hl {
    let runtime = lab.path("run").display().to_string();
    lab.hl(words).env("XDG_RUNTIME_DIR", runtime)
}

/// Its exit code, once it is over: the next one waits while it clears up.
fn over(lab: &TestLab, id: &str) -> u8 {
    exit(ended_in(lab, STATE, id))
}

fn plan_is_there(lab: &TestLab) -> bool {
    let built = lab.path("state/rehearsal/.build/tofu/own");
    let mut files = fs::read_dir(built).into_iter().flatten().flatten();
    files.any(|file| file.path().extension().is_some_and(|end| end == "tfplan"))
}

#[test]
fn it_is_approved_rejected_and_stopped_from_outside() {
    if !ready(true, &["unshare", "ssh-keygen", "tofu"]) {
        return;
    }
    let lab = lab();
    hl(&lab, "rehearse --ask --yes make")
        .exits(2)
        .says(&["`--ask` asks, and `--yes` answers"]);
    let start = hl(&lab, "rehearse --ask --detach make");
    let started = start.exits(0);
    started.says(&["`hl rehearse runs follow`", "`hl rehearse stop`"]);
    let id = started.stdout.trim().to_owned();
    let asked = question(&hl(&lab, "rehearse status --json"));
    assert!(plan_is_there(&lab));
    hl(&lab, "rehearse status").exits(0).says(&[
        "`hl rehearse approve`  yes",
        "`hl rehearse reject`  no",
        "`hl rehearse stop`  stops the run",
    ]);
    // The live lab knows nothing of it.
    let live = hl(&lab, "status --json").exits(0).json();
    assert!(live["current"].is_null(), "{live}");
    let digest = asked["digest"].as_str().unwrap();
    hl(&lab, &format!("approve --digest {digest}")).exits(66);
    hl(&lab, "stop").exits(66);
    // A second one is turned away, and told what the first one waits for.
    let busy = hl(&lab, "rehearse --ask make").exits(75);
    busy.says(&["another rehearsal", "`hl rehearse stop`", "1 to add"]);
    hl(&lab, "rehearse approve").exits(2).says(&[digest]);
    hl(&lab, "rehearse approve --digest 00-00").exits(77);
    hl(&lab, &format!("rehearse approve --digest {digest}")).exits(0);
    assert_eq!(over(&lab, &id), 0);
    let given = answers(&journal_in(&lab, STATE, &id));
    assert!(
        matches!(given.as_slice(), [(true, by)] if by.contains('@')),
        "{given:?}"
    );
    assert!(!plan_is_there(&lab));
    hl(&lab, "rehearse runs follow").exits(0).says(&["1 added"]);

    // What is made is changed, so that there is something to ask again.
    let main = lab.read("module/main.tf").replace("notes", "books");
    lab.write("module/main.tf", &main);
    let id = begun(&hl(&lab, "rehearse --ask --detach make"));
    question(&hl(&lab, "rehearse status --json"));
    hl(&lab, "rehearse reject").exits(0);
    assert_eq!(over(&lab, &id), 77);
    let id = begun(&hl(&lab, "rehearse --ask --detach make"));
    question(&hl(&lab, "rehearse status --json"));
    hl(&lab, "rehearse stop")
        .exits(0)
        .says(&["`hl rehearse runs follow "]);
    assert_eq!(over(&lab, &id), 130);
    assert!(!plan_is_there(&lab));
    // Without `--ask` it says yes, as ever.
    let start = hl(&lab, "rehearse make").env("HL_DETACH", "1");
    let id = begun(&start);
    assert_eq!(over(&lab, &id), 0);
    let given = answers(&journal_in(&lab, STATE, &id));
    assert_eq!(given, [(true, "--yes".to_owned())]);
}

#[test]
fn what_cannot_start_says_so_where_it_was_typed() {
    if !ready(true, &["unshare", "ssh-keygen"]) {
        return;
    }
    let lab = lab();
    hl(&lab, "rehearse --detach mak").exits(66).says(&["mak"]);
    // Said by the one inside, and carried out.
    let words = "rehearse --detach make superfluous";
    hl(&lab, words).exits(2).says(&["takes no arguments"]);
    let report = hl(&lab, &format!("{words} --json")).exits(2);
    assert_eq!(report.json()["outcome"], "failed");
}

#[test]
fn no_step_of_it_reaches_where_it_is_spoken_to() {
    if !ready(true, &["unshare", "ssh-keygen"]) {
        return;
    }
    let lab = lab();
    let id = begun(&hl(&lab, "rehearse --detach look"));
    let seen = wait_for("the step has looked", || {
        let seen = fs::read_to_string(lab.path("state/rehearsal/seen")).ok()?;
        seen.contains("/proc/self/fd").then_some(seen)
    });
    assert!(!seen.contains(".sock"), "{seen}");
    assert!(!seen.contains("socket:"), "{seen}");
    // It is there for others.
    let sockets = fs::read_dir(lab.path("run/hl")).unwrap().flatten();
    assert_eq!(sockets.count(), 1);
    hl(&lab, "rehearse stop").exits(0);
    assert_eq!(over(&lab, &id), 130);
    let stops = stops(&journal_in(&lab, STATE, &id));
    assert!(
        stops[0].1.contains("`hl rehearse stop --now` to hurry"),
        "{stops:?}"
    );
    wait_for("it is put away", || {
        let left = fs::read_dir(lab.path("run/hl")).unwrap().count();
        (left == 0).then_some(())
    });
}
