//! What `hl` knows stays in its memory.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::TestLab;

#[test]
fn a_crash_leaves_no_core_dump_whatever_the_limit_is() {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-t/layer.toml",
        r#"
[layer]
id = "l1"
name = "T"
doc = "t"
[[recipe]]
name = "wait"
doc = "d"
[[recipe.step]]
id = "s"
use = "command"
with = { argv = ["sh", "-c", "ulimit -S -c >limit; touch ready; while [ -e ready ]; do sleep 0.1; done"] }
"#,
    );
    let hl = lab
        .hl("wait")
        .env("PM_TOKEN_SECRET", "canary-1111")
        .command();
    // As many as are allowed, as where developers raise it for good.
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -S -c \"$(ulimit -H -c)\"; exec \"$0\" \"$@\""])
        .arg(hl.get_program())
        .args(hl.get_args())
        .env_clear()
        .envs(
            hl.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(lab.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    while !lab.path("ready").exists() {
        assert!(Instant::now() < until, "it did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::ABORT).unwrap();
    let status = child.wait().unwrap();
    std::fs::remove_file(lab.path("ready")).unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
    // What it starts writes none either, unless it asks for it.
    assert_eq!(lab.read("limit"), "0\n");
    let cores = std::fs::read_dir(lab.root()).unwrap().flatten();
    let cores: Vec<_> = cores
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with("core"))
        .collect();
    assert!(cores.is_empty(), "{cores:?}");
}
