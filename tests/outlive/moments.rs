//! `hl` killed with SIGKILL at random moments and resumed: each child ran exactly
//! once, every time. `scripts/proof outlive` does it two hundred times.

use std::env;
use std::fmt::Write as _;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use super::kept::ran;
use super::processes::{kill_hl, kill_session};
use crate::support::{Hl, TestLab};

const STEPS: usize = 20;

/// A recipe of twenty steps; each appends a line, in the middle of its time.
fn lab() -> TestLab {
    let mut layer = "[layer]\nid = \"l1\"\nname = \"Test\"\ndoc = \"d\"\ndefault = \"job\"\n\n\
        [[recipe]]\nname = \"job\"\ndoc = \"d\"\n"
        .to_owned();
    for step in 1..=STEPS {
        write!(
            layer,
            "\n[[recipe.step]]\nid = \"s{step}\"\nuse = \"command\"\n\
             with = {{ argv = [\"sh\", \"-c\", \"sleep 0.01; echo {step} >> ran; sleep 0.01\"] }}\n"
        )
        .unwrap();
    }
    let lab = TestLab::empty();
    lab.write("layers/l1-test/layer.toml", &layer);
    lab
}

/// Leads a session of its own, so that it can be killed as a whole.
fn start(hl: &Hl) -> Child {
    let mut command = hl.command();
    let mut session = std::process::Command::new("setsid");
    session
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(command.get_current_dir().unwrap());
    command = session;
    // Not the leader of a group, so that `setsid` need not fork.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Numbers from a seed, by xorshift.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// How long a run takes that nobody disturbs.
fn undisturbed() -> Duration {
    let lab = lab();
    let began = Instant::now();
    lab.hl("job").exits(0);
    began.elapsed()
}

/// Kills a run there, and what resumes it once more, and lets it come to its end.
fn survives(moments: [Duration; 2], kill: impl Fn(Child)) -> Result<(), String> {
    let lab = lab();
    for (words, moment) in ["job", "resume"].into_iter().zip(moments) {
        let running = start(&lab.hl(words));
        sleep(moment);
        kill(running);
    }
    // Nothing to go on with where it was killed before it had written a word.
    let begun = lab.path("state/runs").is_dir();
    let last = lab.hl(if begun { "resume" } else { "job" }).run();
    // What was killed before its first word may be no run to go on with.
    let ran_nothing = last.code == 0 && ran(&lab).is_empty();
    if ran_nothing {
        lab.hl("job").exits(0);
    }
    let wanted: Vec<String> = (1..=STEPS).map(|step| step.to_string()).collect();
    let ran = ran(&lab);
    if last.code == 0 && ran == wanted.join(" ") {
        return Ok(());
    }
    Err(format!(
        "killed after {moments:?}: exit {}, ran {ran}\n{}",
        last.code, last.stderr
    ))
}

#[test]
fn each_child_runs_exactly_once() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let moments = number("HL_OUTLIVE_MOMENTS").unwrap_or(10);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = number("HL_OUTLIVE_SEED").unwrap_or(now.unwrap().as_secs());
    println!("HL_OUTLIVE_SEED={seed} HL_OUTLIVE_MOMENTS={moments}");
    let mut numbers = Numbers(seed | 1);
    let whole = u64::try_from(undisturbed().as_micros()).unwrap();
    let mut failures = Vec::new();
    for turn in 0..moments {
        let mut moment = || Duration::from_micros(numbers.below(whole));
        let moments = [moment(), moment()];
        let killed = if turn % 2 == 0 {
            survives(moments, kill_hl)
        } else {
            survives(moments, kill_session)
        };
        failures.extend(killed.err());
    }
    assert!(
        failures.is_empty(),
        "seed {seed}: {} of {moments}\n{}",
        failures.len(),
        failures.join("\n---\n")
    );
}
