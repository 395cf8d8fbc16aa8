//! Children: spools, logs, redaction, timeouts, groups.

use hl::action::{ChildSpec, Done};
use hl::base::Process;
use hl::diag::{Exit, Failure};
use hl::lab::Redactor;
use hl::plan::{Event, EventKind, Listener, Status, Timeout};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::stage::until;
use super::support::{World, fake, lines, plan, script, statuses, step};

#[test]
fn output_is_logged_redacted_and_parsed_whole() {
    let mut world = World::new();
    world.redactor = Redactor::new(["hunter22"]);
    let talk = "printf 'a hunter22 b\\nsecond\\nno newline'; printf 'err\\n' >&2";
    let (result, events) = world.run(&plan([script("talk", talk, &[])]));
    assert_eq!(result.exit, Exit::Ok);
    let mut said = lines(&events);
    said.sort();
    assert_eq!(said, ["a (secret) b", "err", "no newline", "second"]);
    // The action itself reads what was really said.
    let lines = result.steps[0].end.outputs["lines"].to_string();
    assert!(lines.contains("a hunter22 b"), "{lines}");
    let published = events.iter().find_map(|e| match &e.kind {
        EventKind::StepFinished(end) => Some(end.outputs["lines"].to_string()),
        _ => None,
    });
    assert!(!published.unwrap().contains("hunter22"));
    let logs = world.logs();
    let kept = ["r-talk.1.exit", "r-talk.1.fence"];
    let names = [&kept[..], &["r-talk.log", "trace.log"]].concat();
    assert_eq!(logs.keys().collect::<Vec<_>>(), names);
    assert!(logs["r-talk.log"].contains("\na (secret) b\n"), "{logs:?}");
    assert!(!logs["r-talk.log"].contains("hunter22"));
    let dir = world.lab.paths.logs(&world.options.run_id);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.join("r-talk.log")), 0o600);
    assert_eq!(mode(dir), 0o700);
}

#[test]
fn much_output_arrives_in_order_and_complete() {
    let world = World::new();
    let many = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done";
    let (_, events) = world.run(&plan([script("many", many, &[])]));
    let wanted: Vec<String> = (0..20000).map(|i| format!("line {i}")).collect();
    assert_eq!(lines(&events), wanted);
}

#[test]
fn children_get_the_environment_and_the_colour_wish() {
    use hl::lab::{Provenance, Var};
    let mut world = World::new();
    let var = Var {
        value: "v1".to_owned(),
        from: Provenance::Config,
        secret: false,
    };
    world.env.set("HL_TEST_VAR", var);
    let show = "echo $HL_TEST_VAR,$NO_COLOR,$CLICOLOR_FORCE,$HL_RUN_ID; pwd";
    let (_, events) = world.run(&plan([script("show", show, &[])]));
    let root = world.lab.paths.root().to_string();
    assert_eq!(
        lines(&events),
        ["v1,1,,20260101-000000-test".to_owned(), root]
    );
    world.options.color = true;
    world.options.run_id = "20260101-000001-test".to_owned();
    let (_, events) = world.run(&plan([script("show", show, &[])]));
    assert_eq!(lines(&events)[0], "v1,,1,20260101-000001-test");
}

#[test]
fn capture_gives_both_streams_and_the_code() {
    let world = World::new().with(fake("ask", |ctx| {
        let spec = ChildSpec::new("sh", ["-c", "echo out; echo err >&2; exit 3"]);
        let got = ctx.exec.capture(&spec)?;
        assert_eq!((got.code, got.stdout.as_slice()), (3, &b"out\n"[..]));
        assert_eq!(got.stderr, "err\n");
        // A grandchild that keeps the streams open does not hold anyone up: it
        // is still there when the answer is.
        let spec = ChildSpec::new("sh", ["-c", "sleep 3600 & echo $!"]);
        let said = String::from_utf8(ctx.exec.capture(&spec)?.stdout).unwrap();
        let grandchild = said.trim().parse().unwrap();
        assert!(Process::of(grandchild).is_some_and(Process::is_alive));
        let pid = rustix::process::Pid::from_raw(grandchild.cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        Ok(Done::new("ok"))
    }));
    let (result, events) = world.run(&plan([step("ask", "ask", &[])]));
    assert_eq!(result.exit, Exit::Ok, "{:?}", result.steps);
    assert_eq!(lines(&events), Vec::<String>::new());
}

#[test]
fn a_missing_program_is_69_and_names_the_remedy() {
    let world = World::new();
    let mut missing = step("missing", "command", &[]);
    missing
        .with
        .insert("argv".to_owned(), vec!["no-such-tool-of-hl", "x"].into());
    let (result, _) = world.run(&plan([missing]));
    assert_eq!(result.exit, Exit::Runway);
    let error = result.steps[0].error.clone().unwrap();
    assert_eq!(error.message, "`no-such-tool-of-hl` is not on the PATH");
    assert!(error.help[0].contains("scripts/tools"));
}

/// Long enough for a shell to set its traps, also on a busy machine.
const LIMIT: Timeout = Timeout(5);

#[test]
fn at_its_timeout_a_child_gets_one_sigint_and_may_end_well() {
    let world = World::new();
    let polite =
        "trap 'echo got INT; got=1' INT; while [ -z \"$got\" ]; do sleep 0.05; done; echo ended";
    let mut slow = script("slow", polite, &[]);
    slow.timeout_seconds = Some(LIMIT);
    let (result, events) = world.run(&plan([slow]));
    let said = lines(&events);
    assert_eq!(
        said.iter().filter(|l| *l == "got INT").count(),
        1,
        "{said:?}"
    );
    assert_eq!(said.last().unwrap(), "ended");
    assert_eq!(result.exit, Exit::Timeout);
    let ends = statuses(&result);
    assert_eq!(ends[0].1, Status::Failed);
    assert_eq!(
        ends[0].2,
        "`sh` took longer than its timeout and was interrupted"
    );
    let told = events
        .iter()
        .any(|e| matches!(&e.kind, EventKind::Interrupted { signal, .. } if signal == "timeout"));
    assert!(told);
}

#[test]
fn who_takes_sigterm_is_ended_after_the_grace_with_all_it_started() {
    let world = World::new();
    let stubborn = "trap '' INT; sleep 3600 & echo $!; wait";
    let mut slow = script("slow", stubborn, &[]);
    slow.timeout_seconds = Some(LIMIT);
    slow.with.insert("grace_ms".to_owned(), 300.into());
    let (result, events) = world.run(&plan([slow]));
    assert_eq!(result.exit, Exit::Timeout);
    let grandchild: u32 = lines(&events)[0].parse().unwrap();
    let lives = || Process::of(grandchild).is_some_and(Process::is_alive);
    until(|| (!lives()).then_some(()));
}

/// Lets a child go on when it is said that it is still waited for.
struct GoOn(std::path::PathBuf, Vec<Event>);

impl Listener for GoOn {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if matches!(&event.kind, EventKind::Interrupted { message, .. } if message.contains("still waiting"))
        {
            fs::write(&self.0, "").unwrap();
        }
        self.1.push(event.clone());
        Ok(())
    }
}

#[test]
fn who_takes_no_sigterm_is_waited_for_however_long() {
    let world = World::new();
    let go = world.dir.path().join("go");
    let precious = format!(
        "trap '' INT; trap 'echo TERM' TERM; while [ ! -e '{}' ]; do sleep 0.05; done; echo whole",
        go.display()
    );
    let mut slow = script("slow", &precious, &[]);
    slow.timeout_seconds = Some(LIMIT);
    slow.with.insert("grace_ms".to_owned(), 200.into());
    slow.with.insert("takes_sigterm".to_owned(), false.into());
    let mut listener = GoOn(go, Vec::new());
    let result = world.run_with(&plan([slow]), &mut [&mut listener]);
    assert_eq!(lines(&listener.1), ["whole"]);
    assert_eq!(result.exit, Exit::Timeout);
}

#[test]
fn hl_toml_may_name_another_program_for_a_tool() {
    let mut world = World::new();
    let tools = [("tofu".to_owned(), "echo".to_owned())];
    world.lab.config.tools = tools.into();
    let mut tofu = step("tofu", "command", &[]);
    tofu.with
        .insert("argv".to_owned(), vec!["tofu", "plan"].into());
    let (_, events) = world.run(&plan([tofu]));
    assert_eq!(lines(&events), ["plan"]);
}
