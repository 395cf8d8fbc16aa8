//! What the client makes of faults: the class of an error, and no write twice.

use hl::base::Cancel;
use hl::pve::{Error, Unreachable, Upid};
use hl_sim::{FaultRule, Faults};

use super::{LONG, Node, everything, node_with};

fn faulty(rules: &[&str]) -> Node {
    let rules: Vec<FaultRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    node_with(everything(), Faults::new(&rules).unwrap())
}

/// How often a call was made.
fn made(node: &Node, method: &str, path: &str) -> usize {
    let requests = node.sim.requests();
    let same = |line: &&hl_sim::RequestLine| line.method == method && line.path == path;
    requests.iter().filter(same).count()
}

/// Whether it was done or not: it is not done again.
#[test]
fn a_write_whose_reply_is_lost_is_sent_once() {
    for (rule, done) in [
        ("POST /nodes/*/qemu lost", false),
        ("POST /nodes/*/qemu lost at=after", true),
        ("POST /nodes/*/qemu status=596 at=after", true),
    ] {
        let node = faulty(&[rule]);
        let error = node.client.create_vm("pve", 100, &[]).unwrap_err();
        assert!(error.is_transient(), "{rule}: {error}");
        assert_eq!(made(&node, "POST", "/nodes/pve/qemu"), 1, "{rule}");
        assert_eq!(node.sim.world().vms.contains_key(&100), done, "{rule}");
    }
}

#[test]
fn a_read_whose_reply_is_lost_is_tried_again() {
    let node = faulty(&["GET /version hit=1-2 lost"]);
    assert_eq!(node.client.version().unwrap().version, "9.1.2");
    assert_eq!(made(&node, "GET", "/version"), 3);
    let node = faulty(&["GET /version lost"]);
    let error = node.client.version().unwrap_err();
    let broken = matches!(
        error,
        Error::Unreachable {
            reason: Unreachable::Other(_),
            ..
        }
    );
    assert!(broken, "{error}");
    assert_eq!(made(&node, "GET", "/version"), 3);
}

#[test]
fn errors_keep_their_class() {
    let node = faulty(&[
        "GET /version hit=1 status=401",
        "GET /version hit=2 status=403 message=\"Permission check failed (/vms/100, VM.Audit)\"",
        "GET /version hit=3 status=500 message=\"VM is locked (backup)\"",
        "GET /version hit=4 status=501",
        "GET /version hit=5 body=\"<p>\"",
        "GET /version hit=6 body='{\"data\":{'",
        "GET /version hit=7 status=400 errors.vmid=no",
    ]);
    let next = || node.client.version().unwrap_err();
    assert!(matches!(next(), Error::Unauthorized { .. }));
    let error = next();
    let Error::Forbidden { path, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(path.as_deref(), Some("/vms/100"));
    let error = next();
    assert!(error.is_transient(), "{error}");
    let error = next();
    assert!(
        matches!(error, Error::Api { status: 501, .. }) && !error.is_transient(),
        "{error}"
    );
    for _ in 0..2 {
        let error = next();
        assert!(matches!(error, Error::Answer { .. }), "{error}");
    }
    let error = next();
    assert!(error.to_string().contains("`vmid`: no"), "{error}");
}

#[test]
fn tasks_that_fail_warn_or_do_not_end() {
    let node = faulty(&[
        "task=create hit=1 exit=\"no space\"",
        "task=create hit=2 exit=\"WARNINGS: 2\" at=after",
        "task=create hit=3 hang",
    ]);
    let create = |vmid| node.client.create_vm("pve", vmid, &[]).unwrap();
    let wait = |upid: &Upid, limit| node.client.wait_task(upid, &Cancel::default(), limit);
    let failed = create(100);
    let Err(Error::Task { status, .. }) = wait(&failed, LONG) else {
        panic!("a failed task succeeded")
    };
    assert_eq!(status, "no space");
    let warned = create(101);
    let end = wait(&warned, LONG).unwrap();
    assert_eq!(end.warnings.as_deref(), Some("WARNINGS: 2"));
    let hung = create(102);
    let error = wait(&hung, std::time::Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, Error::TaskTimeout { .. }), "{error}");
}

#[test]
fn a_number_that_somebody_else_took() {
    let node = faulty(&["GET /cluster/nextid at=after world=vmid-taken"]);
    let vmid = node.client.next_id().unwrap();
    let error = node.client.create_vm("pve", vmid, &[]).unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
    assert_eq!(made(&node, "POST", "/nodes/pve/qemu"), 1);
}
