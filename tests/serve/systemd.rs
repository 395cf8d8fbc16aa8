//! systemd's protocols, with a socket of the test's own.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::stage::Stage;
use crate::support::Daemon;

/// What is told next.
fn told(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    text.lines().map(str::to_owned).collect()
}

fn has(lines: &[String], line: &str) -> bool {
    lines.iter().any(|l| l == line)
}

#[test]
fn it_tells_when_it_is_ready_reloads_and_stops() {
    let stage = Stage::new();
    let path = stage.lab.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_mins(2)))
        .unwrap();
    let hl = stage
        .hl("serve")
        .env("NOTIFY_SOCKET", path.display().to_string());
    let mut daemon = Daemon::start(&hl);
    let ready = told(&socket);
    assert!(has(&ready, "READY=1"), "{ready:?}");
    daemon.signal(Signal::HUP);
    let reloading = told(&socket);
    assert!(has(&reloading, "RELOADING=1"), "{reloading:?}");
    let since = reloading
        .iter()
        .find_map(|l| l.strip_prefix("MONOTONIC_USEC="));
    assert!(since.unwrap().parse::<u64>().unwrap() > 0);
    let ready = told(&socket);
    assert!(
        has(&ready, "READY=1") && has(&ready, "STATUS=reloaded"),
        "{ready:?}"
    );
    daemon.signal(Signal::TERM);
    let stopping = told(&socket);
    assert!(has(&stopping, "STOPPING=1"), "{stopping:?}");
    assert!(
        stopping.iter().any(|l| l.starts_with("STATUS=stopping")),
        "{stopping:?}"
    );
    assert_eq!(daemon.ended(), Some(0));
}

#[test]
fn it_listens_on_the_socket_that_it_is_given() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let kept = TempDir::new().unwrap();
    // The port that is asked for is not the one of the socket.
    let hl = stage.hl("serve --json --bind 127.0.0.1 --port 1");
    let hl = hl.cmd(&format!("--cert-dir {}", kept.path().display()));
    let real = hl.command();
    let mut shell = Command::new("sh");
    let script =
        "LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec \"$@\" 3<&0 </dev/null";
    shell.args(["-c", script, "sh"]);
    shell.arg(real.get_program()).args(real.get_args());
    shell.env_clear().current_dir(stage.lab.root());
    for (name, value) in real.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell.stdin(Stdio::from(OwnedFd::from(listener)));
    let certificate = kept.path().join("controller.crt");
    let daemon = Daemon::of(shell, &certificate, kept);
    assert_eq!(daemon.port(), port);
    assert_eq!(daemon.get("/health").status, 200);
}

/// systemd's own program listens, and starts it with the first connection.
#[test]
fn it_is_started_by_the_first_connection() {
    const PROGRAM: &str = "systemd-socket-activate";
    let version = Command::new(PROGRAM).arg("--version").output();
    if version.is_err() {
        assert!(std::env::var_os("CI").is_none(), "{PROGRAM} is needed");
        println!("skipped: {PROGRAM} not installed");
        return;
    }
    let stage = Stage::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let kept = TempDir::new().unwrap();
    let hl = stage.hl("serve --json --bind 127.0.0.1 --port 1");
    let hl = hl.cmd(&format!("--cert-dir {}", kept.path().display()));
    let real = hl.command();
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .current_dir(stage.lab.root())
        .arg(format!("--listen={address}"));
    for (name, value) in real.get_envs() {
        let (name, value) = (name.to_str().unwrap(), value.unwrap().to_str().unwrap());
        command.arg(format!("--setenv={name}={value}"));
    }
    command.arg(real.get_program()).args(real.get_args());
    let first = thread::spawn(move || {
        (0..6000).find_map(|_| {
            thread::sleep(Duration::from_millis(20));
            TcpStream::connect(address).ok()
        })
    });
    let certificate = kept.path().join("controller.crt");
    let mut daemon = Daemon::of(command, &certificate, kept);
    assert_eq!(daemon.port(), address.port());
    assert_eq!(daemon.get("/health").status, 200);
    // The one that started it says nothing, and holds nobody.
    let first = first.join().unwrap();
    assert!(first.is_some());
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0), "{}", daemon.log());
}
