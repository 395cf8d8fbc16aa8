//! The parent of children: small, counted in instructions, which are the same on a busy
//! machine (`benches/engine` has the other costs), and one for all children of a run.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use hl::base::Process;
use hl::keeper::{Attempt, Begun, Keeper, KeptChild, Order, Standing};

use super::processes::{children, kill, wait_for};
use crate::e2e::ready;

/// From `main` to the end of the only tool, in a build that is not optimised.
const MOST: u64 = 400_000;

/// The parent of children whose files are in a directory of its own.
struct Stage {
    dir: tempfile::TempDir,
    keeper: Keeper,
}

impl Stage {
    fn new() -> Self {
        Self::with(|_| env!("CARGO_BIN_EXE_hl").into())
    }

    fn with(program: impl FnOnce(&Utf8Path) -> Utf8PathBuf) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(
            program(Utf8Path::from_path(dir.path()).unwrap()),
            "run".into(),
        );
        Self { dir, keeper }
    }

    fn dir(&self) -> &Utf8Path {
        Utf8Path::from_path(self.dir.path()).unwrap()
    }

    fn attempt(&self, number: u32) -> Attempt {
        Attempt::new(self.dir(), "work", number)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir().join(name)).unwrap()
    }

    fn begin(&self, number: u32, program: &str, args: &[&str]) -> io::Result<Begun> {
        let order = Order {
            base: self.attempt(number).base().to_owned(),
            says: "a child".to_owned(),
            program: program.into(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            cwd: self.dir().to_owned(),
            env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        };
        let file = |end| File::create(self.dir().join(format!("work.{number}.{end}"))).unwrap();
        self.keeper.start(&order, &[file("out"), file("err")])
    }

    #[track_caller]
    fn start(&self, number: u32, script: &str) -> KeptChild {
        match self.begin(number, "/bin/sh", &["-c", script]).unwrap() {
            Begun::Started(child) => child,
            other @ (Begun::Taken | Begun::CannotWrite(_) | Begun::CannotStart(_)) => {
                panic!("{other:?}")
            }
        }
    }

    /// The parent of the child with that number.
    fn parent(&self, number: u32) -> Process {
        match self.attempt(number).standing().unwrap() {
            Standing::Running(fence) | Standing::Ended(fence, _) => fence.keeper,
            other @ (Standing::New | Standing::Unknown) => panic!("{other:?}"),
        }
    }
}

/// Its exit code; `None` where nobody saw it.
fn ended(mut child: KeptChild) -> Option<i32> {
    wait_for("it ends", || {
        child.wait(Duration::from_millis(30)).then_some(())
    });
    child.end().and_then(|end| end.code)
}

#[test]
fn it_loads_nothing() {
    if !ready(false, &["valgrind"]) {
        return;
    }
    let valgrind = which::which("valgrind").unwrap();
    let stage = Stage::with(|dir| {
        let script = dir.join("hl");
        let text = format!(
            "#!/bin/sh\nexec {} --tool=callgrind --callgrind-out-file=/dev/null \
             --log-file={dir}/said --toggle-collect=main {} \"$@\"\n",
            valgrind.display(),
            env!("CARGO_BIN_EXE_hl"),
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        script
    });
    assert_eq!(ended(stage.start(1, "exit 3")), Some(3));
    let Stage { dir, keeper } = stage;
    // It ends with what starts it.
    drop(keeper);
    let said = fs::read_to_string(dir.path().join("said")).unwrap();
    let counted = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse::<u64>().ok());
    let counted = counted.unwrap_or_else(|| panic!("{said}"));
    assert!((10_000..MOST).contains(&counted), "{counted} instructions");
}

#[test]
fn children_have_their_output_and_nothing_else_of_ours() {
    let stage = Stage::new();
    let other = stage.start(1, "sleep 600");
    let child = stage.start(2, "exec ls -l /proc/self/fd");
    assert_eq!(ended(child), Some(0));
    let said = stage.read("work.2.out");
    let open: Vec<&str> = said
        .lines()
        .filter_map(|line| Some(line.split_once(" -> ")?.1))
        .collect();
    let [first, out, err, listed @ ..] = &open[..] else {
        panic!("{said}");
    };
    assert_eq!(*first, "/dev/null");
    assert!(
        out.ends_with("/work.2.out") && err.ends_with("/work.2.err"),
        "{said}"
    );
    let foreign = |name: &&str| name.starts_with("socket:") || name.contains("/work.");
    assert!(!listed.iter().any(foreign), "{said}");
    other.process().kill_group();
    assert_eq!(ended(other), None);
}

#[test]
fn ends_of_children_at_once_are_told_apart() {
    let stage = Stage::new();
    let started: Vec<KeptChild> = (1..=5)
        .map(|number| stage.start(number, &format!("sleep 0.{}; exit {number}", 6 - number)))
        .collect();
    let codes: Vec<Option<i32>> = started.into_iter().map(ended).collect();
    assert_eq!(codes, [1, 2, 3, 4, 5].map(Some));
    for number in 1..=5 {
        let end = stage.attempt(number).end().unwrap().unwrap();
        assert_eq!(end.code, Some(number.cast_signed()));
    }
}

#[test]
fn what_is_begun_is_not_begun_again_and_what_does_not_start_leaves_no_fence() {
    let stage = Stage::new();
    assert_eq!(ended(stage.start(1, "echo once >> ran")), Some(0));
    let again = stage.begin(1, "/bin/sh", &["-c", "echo twice >> ran"]);
    assert!(matches!(again, Ok(Begun::Taken)), "{again:?}");
    assert_eq!(stage.read("ran"), "once\n");

    let missing = stage.begin(2, "/there/is/no/such", &[]);
    assert!(matches!(missing, Ok(Begun::CannotStart(_))), "{missing:?}");
    assert_eq!(stage.attempt(2).standing().unwrap(), Standing::New);
    assert_eq!(ended(stage.start(2, "exit 0")), Some(0));
}

#[test]
fn one_that_was_killed_is_replaced_and_its_children_go_on() {
    let stage = Stage::new();
    let child = stage.start(1, "sleep 0.3; echo done > ran");
    let parent = stage.parent(1);
    kill(parent.pid);
    assert_eq!(ended(stage.start(2, "exit 4")), Some(4));
    assert_ne!(stage.parent(2), parent);
    // It went on, and nobody saw how it ended.
    assert_eq!(ended(child), None);
    assert_eq!(stage.read("ran"), "done\n");
    assert_eq!(stage.attempt(1).standing().unwrap(), Standing::Unknown);
}

#[test]
fn it_stays_until_its_last_child_ended_and_no_longer() {
    let stage = Stage::new();
    let child = stage.start(1, "sleep 0.3; exit 5");
    let parent = stage.parent(1);
    assert_eq!(children(parent.pid), [child.process().pid]);
    // As when `hl` was killed.
    drop(child);
    let attempt = stage.attempt(1);
    drop(stage.keeper);
    assert!(!parent.is_alive());
    assert_eq!(attempt.end().unwrap().unwrap().code, Some(5));
}
