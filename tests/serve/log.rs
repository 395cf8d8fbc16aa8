//! The log: one line a request, and no reader of it that holds the controller.

use rustix::process::Signal;

use super::stage::Stage;

/// More lines than pipe and queue take together.
const REQUESTS: usize = 6000;

#[test]
fn a_log_that_nobody_reads_holds_neither_requests_nor_the_end() {
    let stage = Stage::new();
    let mut daemon = stage.serve();
    let reader = daemon.reader();
    let held = reader.lock().unwrap();
    let mut client = daemon.connect();
    for number in 0..REQUESTS {
        let answer = client.get("/spec/base", &[]);
        assert_eq!(answer.status, 200, "{number}");
    }
    drop(held);
    // It is read again: what is gone is told once the next line has a place.
    for _ in 0..REQUESTS {
        assert_eq!(client.get("/health", &[]).status, 200);
        if daemon.log().contains("lines were dropped") {
            break;
        }
    }
    daemon.says("lines were dropped: the log is read too slowly");
    let held = reader.lock().unwrap();
    for number in 0..REQUESTS {
        let answer = client.get("/spec/base", &[]);
        assert_eq!(answer.status, 200, "{number}");
    }
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
    drop(held);
}

#[test]
fn a_line_has_what_was_asked_and_answered_and_no_token() {
    let stage = Stage::new();
    let mut daemon = stage.serve();
    let token = "Bearer stage-shared-7f3a";
    let headers = [("Authorization", token), ("Cookie", "__Host-hl=c00kie")];
    let answer = daemon
        .connect()
        .get("/spec/edge?token=in-the-query", &headers);
    assert_eq!(answer.status, 200);
    let basic = [(
        "Authorization",
        "Basic Z2l0OnJlcG8tdG9rZW4tb2YtdGhlLXRlc3Q=",
    )];
    daemon.connect().get("/none.git/HEAD", &basic);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
    let log = daemon.whole_log();
    let id = answer.header("x-request-id");
    assert!(!id.is_empty());
    let line = log
        .lines()
        .find(|line| line.contains("/spec/edge"))
        .unwrap();
    let id = format!("id=\"{id}\"");
    for part in [
        id.as_str(),
        "peer=127.0.0.1",
        "method=GET",
        "path=\"/spec/edge\"",
        "status=200",
        "us=",
    ] {
        assert!(line.contains(part), "`{part}` is not in {line}");
    }
    for secret in [
        "stage-shared",
        "c00kie",
        "in-the-query",
        "Z2l0",
        "repo-token-of",
    ] {
        assert!(!log.contains(secret), "{secret}");
    }
}
