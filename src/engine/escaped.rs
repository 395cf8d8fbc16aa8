//! What a child started that left its process group: with its session, or with a group
//! of its own, no signal to the child's group reaches it.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use crate::action::ChildSpec;
use crate::base::Process;

/// How often it is looked for what was started meanwhile.
const LOOKS: u32 = 20;

/// Processes of one child, found by the mark in their environment and by their parents.
pub(super) struct Escaped {
    /// `NAME=VALUE`; nothing is looked for without.
    mark: Option<String>,
    seen: BTreeSet<Process>,
}

impl Escaped {
    /// Nothing is known of that child yet.
    pub(super) fn of(spec: &ChildSpec) -> Self {
        let mark = spec.mark.as_ref();
        let mark = mark.and_then(|name| Some(format!("{name}={}", spec.env.get(name)?)));
        Self {
            mark,
            seen: BTreeSet::new(),
        }
    }

    /// Remembers what descends from the child now. Once a process is an orphan, only its
    /// mark tells whose it is, and it may have cleared that.
    pub(super) fn look(&mut self, child: u32) {
        self.find(Some(child));
    }

    /// `child`: where it runs and its number is still its own.
    fn find(&mut self, child: Option<u32>) {
        let Some(mark) = &self.mark else {
            return;
        };
        let mut children: BTreeMap<u32, Vec<Process>> = BTreeMap::new();
        let mut found = Vec::new();
        for (process, parent) in Process::all() {
            if process.has_variable(mark) || self.seen.contains(&process) {
                found.push(process);
            }
            children.entry(parent).or_default().push(process);
        }
        found.extend(
            child
                .and_then(|child| children.remove(&child))
                .into_iter()
                .flatten(),
        );
        while let Some(process) = found.pop() {
            found.extend(children.remove(&process.pid).unwrap_or_default());
            self.seen.insert(process);
        }
        self.seen.remove(&Process::this());
    }

    /// Kills all of them, and what they start meanwhile.
    pub(super) fn kill(mut self) {
        if self.mark.is_none() {
            return;
        }
        for _ in 0..LOOKS {
            self.find(None);
            self.seen.retain(|process| process.is_alive());
            if self.seen.is_empty() {
                return;
            }
            for process in &self.seen {
                process.kill();
            }
            thread::sleep(super::child::LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn what_left_its_session_or_cleared_its_environment_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().to_str().unwrap();
        let script = "setsid sleep 600 & echo $! >\"$MARK/a\"; \
                      env -i setsid sleep 600 & echo $! >\"$MARK/b\"; echo >\"$MARK/c\"; wait";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).env("MARK", mark);
        let mut shell = shell.process_group(0).spawn().unwrap();
        let file = |name: &str| std::fs::read_to_string(dir.path().join(name)).ok();
        while file("c").is_none() {
            thread::yield_now();
        }
        let mut spec = ChildSpec::new("sh", [""; 0]).env("MARK", mark);
        spec.mark = Some("MARK".to_owned());
        let mut escaped = Escaped::of(&spec);
        escaped.look(shell.id());
        shell.kill().unwrap();
        shell.wait().unwrap();
        escaped.kill();
        for name in ["a", "b"] {
            let pid = file(name).unwrap().trim().parse().unwrap();
            assert!(!Process::of(pid).is_some_and(Process::is_alive), "{name}");
        }
        assert!(Process::this().is_alive());
    }
}
