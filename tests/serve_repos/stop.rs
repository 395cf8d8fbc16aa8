//! The controller ends while somebody clones, and leaves nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::stage::{Served, Stage, TOKEN, moment};

/// A lab with a file of so many MiB, which no buffer holds and nothing makes small.
fn large(size: usize) -> (Stage, Vec<u8>) {
    let stage = Stage::new();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes: Vec<u8> = (0..size << 17)
        .flat_map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed.to_le_bytes().map(|byte| b'!' + byte % 64)
        })
        .collect();
    fs::write(stage.lab.path("large"), &bytes).unwrap();
    (stage, bytes)
}

/// Asks for a file, and reads no more than the beginning of the answer.
fn begun(served: &Served) -> crate::support::Client {
    let mut client = served.daemon.connect();
    let request = format!(
        "GET /test.git/large HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    );
    client.say(request.as_bytes()).unwrap();
    client
}

#[test]
fn what_is_being_sent_is_sent_to_its_end() {
    let (stage, bytes) = large(24);
    let mut served = stage.serve();
    assert_eq!(stage.left().len(), 1, "one repository, one directory");
    let dir = stage.temp().join(&stage.left()[0]);
    let mode = fs::metadata(&dir).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o700);
    let mut client = begun(&served);
    // The file is not there any more, and another snapshot takes its place.
    fs::write(stage.lab.path("large"), "small\n").unwrap();
    served.reload();
    assert_eq!(served.get("/test.git/large").text(), "small\n");
    served.daemon.signal(Signal::TERM);
    served.daemon.says("stopping");
    let answer = client.answer(false).unwrap();
    assert!(answer.body == bytes, "all of it came");
    drop(client);
    assert_eq!(served.daemon.ended(), Some(0));
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn it_ends_during_a_clone() {
    let (stage, _) = large(16);
    let mut served = stage.serve();
    let mut clone = served
        .client(&mut stage.git_command(stage.beside.path()))
        .args(["clone", "-q", &served.url("test"), "clone"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    served.daemon.says("/test.git/info/refs");
    served.daemon.signal(Signal::TERM);
    assert_eq!(served.daemon.ended(), Some(0));
    assert_eq!(stage.left(), [""; 0]);
    // It came to its end, or says that it did not.
    let cloned = clone.wait().unwrap().success();
    let there = stage.beside.path().join("clone/large").exists();
    assert_eq!(cloned, there);
}

#[test]
fn it_ends_while_it_prepares_what_it_serves() {
    let stage = Stage::new();
    stage.lab.write("a", "a\n");
    stage.commit(stage.lab.root(), "first");
    // git reads a pack's index, and waits at this one.
    let pack = stage
        .lab
        .path(&format!(".git/objects/pack/pack-{}", "0".repeat(40)));
    fs::write(pack.with_extension("pack"), "PACK").unwrap();
    let made = Command::new("mkfifo")
        .arg(pack.with_extension("idx"))
        .status();
    assert!(made.unwrap().success());
    let mut child = stage.hl("serve --bind 127.0.0.1 --port 0 --quiet").spawn();
    let begun = || {
        let dirs = stage.left().into_iter();
        let mut bare = dirs.map(|dir| stage.temp().join(dir).join("repo.git"));
        bare.any(|bare| bare.join("objects/info/alternates").exists())
    };
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        moment();
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.unwrap(), Signal::TERM).unwrap();
    let ended = child.wait().unwrap();
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn what_was_left_behind_is_removed_by_the_next_start() {
    let stage = Stage::new();
    stage.lab.write("a", "a\n");
    let mut killed = stage.serve();
    killed.daemon.signal(Signal::KILL);
    assert_eq!(killed.daemon.ended(), None);
    let left = stage.left();
    assert_eq!(left.len(), 1);
    let served = stage.serve();
    let now = stage.left();
    assert_eq!(now.len(), 1);
    assert_ne!(now, left);
    // What another controller holds stays.
    let second = stage.serve();
    assert_eq!(stage.left().len(), 2);
    assert_eq!(served.get("/test.git/a").text(), "a\n");
    assert_eq!(second.get("/test.git/a").text(), "a\n");
    moment();
}
