//! Clients that are silent, slow or many: they hold nobody else.

use std::net::{IpAddr, Ipv4Addr};

use super::stage::Stage;
use crate::support::Daemon;

/// As many as one address may have.
const OF_ONE: usize = 128;

fn address(a: u8, b: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, a, b).into()
}

fn answers(daemon: &Daemon) {
    for _ in 0..5 {
        assert_eq!(daemon.get("/spec/base").status, 200);
    }
}

#[test]
fn silent_clients_hold_nobody() {
    let stage = Stage::new();
    let daemon = stage.serve();
    // Before TLS, in the middle of a request's head, and after an answer.
    let mut silent = Vec::new();
    let mut half = Vec::new();
    for number in 0..50 {
        silent.push(daemon.tcp_from(address(20, number)).unwrap());
        let mut client = daemon.connect_from(address(21, number)).unwrap();
        client.say(b"GET /health HTTP/1.1\r\nHost: ").unwrap();
        half.push(client);
        let mut client = daemon.connect_from(address(22, number)).unwrap();
        assert_eq!(client.get("/health", &[]).status, 200);
        half.push(client);
        if number % 10 == 0 {
            answers(&daemon);
        }
    }
    answers(&daemon);
    drop((silent, half));
}

#[test]
fn one_address_over_its_cap_is_refused_without_harm_to_others() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let greedy = address(30, 1);
    let mut other = daemon.connect_from(address(30, 2)).unwrap();
    let mut held: Vec<_> = (0..OF_ONE)
        .map(|_| daemon.connect_from(greedy).unwrap())
        .collect();
    // One more is not shaken hands with.
    assert!(daemon.connect_from(greedy).is_err());
    assert_eq!(other.get("/health", &[]).status, 200);
    answers(&daemon);
    // Those that it has go on, and one that ends makes room.
    assert_eq!(held.last_mut().unwrap().get("/health", &[]).status, 200);
    held.pop();
    let again = || daemon.connect_from(greedy).ok();
    let room = (0..600).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        again()
    });
    assert!(room.is_some());
}

#[test]
fn what_is_no_tls_ends_alone() {
    use std::io::{Read, Write};

    let stage = Stage::new();
    let daemon = stage.serve();
    for said in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"SSH-2.0-x\r\n",
        &[0; 600],
        b"",
    ] {
        let mut plain = daemon.tcp_from(address(40, 1)).unwrap();
        plain.write_all(said).unwrap();
        plain.shutdown(std::net::Shutdown::Write).unwrap();
        // An alert of TLS at most, then the end.
        let mut rest = Vec::new();
        drop(plain.read_to_end(&mut rest));
        assert!(rest.len() < 100, "{rest:?}");
    }
    answers(&daemon);
}

/// With curl, where it speaks HTTP/2.
#[test]
fn http_2_is_answered_too() {
    let version = std::process::Command::new("curl").arg("-V").output();
    let speaks = version.is_ok_and(|v| String::from_utf8_lossy(&v.stdout).contains("HTTP2"));
    if !speaks {
        assert!(
            std::env::var_os("CI").is_none(),
            "curl with HTTP/2 is needed"
        );
        println!("skipped: curl with HTTP/2 not installed");
        return;
    }
    let stage = Stage::new();
    let daemon = stage.serve();
    let url = |path: &str| format!("https://127.0.0.1:{}{path}", daemon.port());
    let format = "%{http_version} %{http_code}\\n";
    let output = std::process::Command::new("curl")
        .args([
            "-sk",
            "--http2",
            "--max-time",
            "60",
            "-o",
            "/dev/null",
            "-w",
            format,
        ])
        .args([
            url("/health"),
            "-o".to_owned(),
            "/dev/null".to_owned(),
            url("/spec/edge"),
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 200\n2 401\n");
}
