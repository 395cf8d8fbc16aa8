//! What a run traces: `trace.log`, and the output that `-vv` asks for.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use hl::action::Done;
use hl::diag::Exit;
use hl::lab::Redactor;
use hl::lab::trace::TraceOutput;
use serde_json::Value;

use super::support::{World, fake, plan, script, step};
use crate::pve;

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A run that asks the node for a version and for what is not there.
fn world() -> (World, pve::Node) {
    let node = pve::node(pve::everything(), &[]);
    let mut world = World::new().with(fake("asks", |ctx| {
        let client = ctx.pve()?;
        client.get::<Value>("version", &[])?;
        assert!(client.get::<Value>("cluster/canary-77", &[]).is_err());
        Ok(Done::new("asked"))
    }));
    fs::write(world.lab.paths.root().join("ca.pem"), node.sim.ca_pem()).unwrap();
    world.env = pve::env(&node.sim, pve::SECRET);
    world.redactor = Redactor::new([pve::SECRET, "canary-77"]);
    (world, node)
}

#[test]
fn run_steps_children_and_requests_are_traced_without_secrets() {
    let (mut world, _node) = world();
    let memory = Memory::default();
    world.trace = TraceOutput::new(None, 2, memory.clone()).unwrap();
    let steps = [
        step("ask", "asks", &[]),
        script("say", "echo canary-77", &["ask"]),
    ];
    let (result, _) = world.run(&plan(steps));
    assert_eq!(result.exit, Exit::Ok);

    let file = &world.logs()["trace.log"];
    let run = "run{id=20260101-000000-test recipe=r}";
    let ask = format!("{run}:step{{id=r/ask action=asks}}");
    let request = |path: &str| format!(r#"{ask}:request{{method="GET" path="{path}"}}"#);
    for span in [
        run.to_owned(),
        ask.clone(),
        request("version"),
        request("cluster/(secret)"),
        format!("{run}:step{{id=r/say action=sh}}:child{{program=sh}}"),
    ] {
        let ends = |line: &&str| line.contains(&format!(" {span}: ")) && line.contains(" close ");
        assert_eq!(file.lines().filter(ends).count(), 1, "{span} in {file}");
    }
    assert!(file.contains(": failed error="), "{file}");
    let path = world
        .lab
        .paths
        .logs(&world.options.run_id)
        .join("trace.log");
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let shown = memory.text();
    assert!(shown.contains(": answered status=200"), "{shown}");
    assert!(shown.contains("echo (secret)"), "{shown}");
    for text in [file, &shown] {
        assert!(
            !text.contains("canary") && !text.contains(pve::SECRET),
            "{text}"
        );
    }
    assert!(!file.contains("DEBUG"), "{file}");
}

#[test]
fn what_only_reads_is_traced_on_demand_and_leaves_no_file() {
    let (mut world, _node) = world();
    let memory = Memory::default();
    world.trace = TraceOutput::new(Some("hl::pve=debug"), 0, memory.clone()).unwrap();
    world.options.run_id.clear();
    world.run(&plan([step("ask", "asks", &[])]));
    let shown = memory.text();
    assert!(
        shown.contains(r#"path="version""#) && !shown.contains("step{"),
        "{shown}"
    );
    assert!(world.logs().is_empty());
}
