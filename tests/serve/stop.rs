//! How a controller ends: what it has begun is answered, and nothing is left behind.

use rustix::process::Signal;

use super::stage::Stage;

#[test]
fn it_ends_with_0_and_tells_nobody_of_itself_any_more() {
    for signal in [Signal::TERM, Signal::INT] {
        let stage = Stage::new();
        let mut daemon = stage.serve();
        let mut idle = daemon.connect();
        assert_eq!(idle.get("/health", &[]).status, 200);
        let silent = daemon.tcp_from([127, 0, 0, 1].into()).unwrap();
        let port = daemon.port();
        daemon.signal(signal);
        assert_eq!(daemon.ended(), Some(0), "{}", daemon.log());
        assert!(idle.is_closed());
        drop(silent);
        let status = stage.hl(&format!("serve status --port {port}"));
        status.exits(66);
        let left: Vec<_> = std::fs::read_dir(stage.lab.path("run/hl"))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{left:?}");
        let log = daemon.whole_log();
        assert!(log.contains("stopping"), "{log}");
    }
}

/// A request of which the head is not there yet is waited for; a second signal waits for
/// nothing.
#[test]
fn a_second_signal_ends_it_at_once() {
    let stage = Stage::new();
    let mut daemon = stage.serve();
    let mut half = daemon.connect();
    half.say(b"GET /health HTTP/1.1\r\n").unwrap();
    assert_eq!(daemon.get("/health").status, 200);
    daemon.signal(Signal::TERM);
    daemon.says("stopping");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0), "{}", daemon.log());
    assert!(half.is_closed());
}

#[test]
fn killed_it_leaves_nothing_that_the_next_one_minds() {
    let stage = Stage::new();
    let mut daemon = stage.serve();
    daemon.signal(Signal::KILL);
    assert_eq!(daemon.ended(), None);
    let daemon = stage.serve();
    assert_eq!(daemon.get("/health").status, 200);
    let port = daemon.port();
    stage.hl(&format!("serve status --port {port}")).exits(0);
}
