//! The guest agent of a rehearsal: what it does in a guest, and inside of its walls.

use std::time::{Duration, Instant};

use hl::rehearse::guest::GuestHost;
use hl_sim::Guests as _;

use super::guests::Room;
use super::in_namespaces;

/// Runs a program by the agent, and waits for its end.
fn ask(host: &GuestHost, vmid: u32, script: &str, input: &str) -> hl_sim::AgentRun {
    let argv = ["sh", "-c", script].map(str::to_owned);
    let pid = host.exec(vmid, &argv, input.as_bytes()).unwrap();
    let began = Instant::now();
    loop {
        if let Some(ended) = host.exec_status(vmid, pid).unwrap() {
            return ended;
        }
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "`{script}` does not end"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_agent_acts_inside_of_the_walls() {
    in_namespaces("agent::the_agent_acts_inside_of_the_walls", || {
        let room = Room::new();
        let host = &room.host;
        assert!(
            host.exec(51, &["id".to_owned()], b"").is_err(),
            "nobody is at home"
        );
        host.create_disk("s:vm-51-disk-0", Some("debian.qcow2"))
            .unwrap();
        host.start(&room.spec(51, "192.168.7.51")).unwrap();
        let ended = ask(
            host,
            51,
            "hostname; id -u; cat; echo bad >&2; exit 3",
            "tea\n",
        );
        assert_eq!(String::from_utf8_lossy(&ended.out), "guest-51\n0\ntea\n");
        assert_eq!(
            (ended.code, ended.err.as_slice()),
            (Some(3), b"bad\n".as_slice())
        );
        let killed = ask(host, 51, "kill -9 $$", "");
        assert_eq!((killed.code, killed.signal), (None, Some(9)));
        let much = ask(host, 51, "yes | head -c 3000000; exit 0", "");
        assert!(much.out_cut && much.out.len() < 1 << 20 && !much.out.is_empty());

        host.write_file(51, "/srv/note", b"kept").unwrap();
        assert_eq!(
            host.read_file(51, "/srv/note").unwrap(),
            (b"kept".to_vec(), false)
        );
        assert_eq!(ask(host, 51, "cat /srv/note", "").out, b"kept");
        assert_eq!(
            host.read_file(51, "/no").unwrap_err(),
            "failed to open file '/no' (mode: 'r'): No such file or directory"
        );
        // What root in the guest may not, the agent may not.
        assert_ne!(ask(host, 51, "mknod /tmp/x b 8 0", "").code, Some(0));
        // A file that nobody writes to does not hold PID 1 up.
        assert_eq!(ask(host, 51, "mkfifo /tmp/pipe", "").code, Some(0));
        assert!(host.read_file(51, "/tmp/pipe").is_err());

        let argv = ["sleep", "1000"].map(str::to_owned);
        let pid = host.exec(51, &argv, b"").unwrap();
        let state = || {
            let (stat, _) = host.read_file(51, &format!("/proc/{pid}/stat")).unwrap();
            let stat = String::from_utf8(stat).unwrap();
            stat.rsplit_once(')')
                .unwrap()
                .1
                .trim()
                .chars()
                .next()
                .unwrap()
        };
        let until = |wanted: char| {
            let began = Instant::now();
            while state() != wanted {
                assert!(began.elapsed() < Duration::from_mins(1), "{}", state());
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        host.pause(51, true).unwrap();
        until('T');
        host.pause(51, false).unwrap();
        until('S');
        host.pause(51, true).unwrap();
        host.stop(51).unwrap();
        assert!(
            host.exec(51, &argv, b"").is_err(),
            "a guest that stands still is stopped, too"
        );
    });
}
