//! What the guest agent does in a guest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hl_sim::{AgentRun, GuestSpec, Guests, Profile, Seed, World};
use serde_json::{Value, json};

use super::support::{Lab, Setup, seed};

/// A guest with files, whose programs end as they are told to beforehand.
#[derive(Default)]
struct Home {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    asked: Mutex<Vec<(Vec<String>, String)>>,
    ends: Mutex<Vec<AgentRun>>,
}

impl Home {
    fn ends_with(&self, out: &str, err: &str, code: i32) {
        self.ends.lock().unwrap().push(AgentRun {
            code: Some(code),
            out: out.as_bytes().to_vec(),
            err: err.as_bytes().to_vec(),
            ..AgentRun::default()
        });
    }

    fn asked(&self) -> (Vec<String>, String) {
        self.asked.lock().unwrap().pop().unwrap()
    }
}

impl Guests for Home {
    fn create_disk(&self, _: &str, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }
    fn clone_disk(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn rename_disk(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn remove_disk(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn start(&self, _: &GuestSpec) -> Result<(), String> {
        Ok(())
    }
    fn stop(&self, _: u32) -> Result<(), String> {
        Ok(())
    }
    fn agent_ready(&self, _: u32) -> bool {
        true
    }
    fn exec(&self, _: u32, argv: &[String], input: &[u8]) -> Result<i32, String> {
        let input = String::from_utf8(input.to_vec()).unwrap();
        self.asked.lock().unwrap().push((argv.to_vec(), input));
        Ok(7)
    }
    fn exec_status(&self, _: u32, pid: i32) -> Result<Option<AgentRun>, String> {
        assert_eq!(pid, 7);
        Ok(self.ends.lock().unwrap().pop())
    }
    fn read_file(&self, _: u32, path: &str) -> Result<(Vec<u8>, bool), String> {
        let files = self.files.lock().unwrap();
        let found = files.get(path).cloned();
        found.map(|bytes| (bytes, false)).ok_or_else(|| {
            format!("failed to open file '{path}' (mode: 'r'): No such file or directory")
        })
    }
    fn write_file(&self, _: u32, path: &str, content: &[u8]) -> Result<(), String> {
        self.files
            .lock()
            .unwrap()
            .insert(path.to_owned(), content.to_vec());
        Ok(())
    }
}

/// A running VM with an agent.
fn at_home(seed: &Seed) -> (Lab, Arc<Home>) {
    let home = Arc::new(Home::default());
    let lab = Setup {
        world: World::seeded(seed),
        guests: Arc::<Home>::clone(&home),
        ..Setup::default()
    }
    .start();
    let form = [
        ("vmid", "100"),
        ("name", "web"),
        ("agent", "1"),
        ("cores", "2"),
        ("start", "1"),
    ];
    lab.done(&lab.post("/nodes/pve/qemu", &form));
    (lab, home)
}

fn at(rest: &str) -> String {
    format!("/nodes/pve/qemu/100/agent/{rest}")
}

#[test]
fn a_program_runs_in_the_guest() {
    let (lab, home) = at_home(&seed());
    let form = [
        ("command", "sh"),
        ("command", "-c"),
        ("command", "echo a, b"),
        ("input-data", "tea"),
    ];
    assert_eq!(lab.post(&at("exec"), &form).data(), json!({"pid": 7}));
    let (argv, input) = home.asked();
    assert_eq!(
        (argv, input.as_str()),
        (["sh", "-c", "echo a, b"].map(str::to_owned).to_vec(), "tea")
    );
    let status = || lab.get(&at("exec-status?pid=7")).data();
    assert_eq!(status(), json!({"exited": 0}));
    home.ends_with("a, b\n", "", 3);
    assert_eq!(
        status(),
        json!({"exited": 1, "exitcode": 3, "out-data": "a, b\n"})
    );
    let one = lab
        .request("POST", &at("exec"))
        .json(&json!({"command": ["id", "-u"]}));
    super::support::read(one.send().unwrap()).data();
    assert_eq!(home.asked().0, ["id", "-u"]);
    lab.post(&at("exec"), &[])
        .fails(500, "command or input-data (or both) required");
    assert_eq!(lab.get(&at("exec-status")).status, 400);
}

#[test]
fn files_are_read_and_written() {
    let (lab, home) = at_home(&seed());
    let form = [("file", "/etc/motd"), ("content", "hello\n")];
    assert_eq!(lab.post(&at("file-write"), &form).data(), Value::Null);
    assert_eq!(
        lab.get(&at("file-read?file=/etc/motd")).data(),
        json!({"content": "hello\n", "bytes-read": 6})
    );
    let packed = [("file", "/bin/x"), ("content", "AAH/"), ("encode", "0")];
    lab.post(&at("file-write"), &packed).data();
    assert_eq!(home.files.lock().unwrap()["/bin/x"], [0, 1, 255]);
    lab.get(&at("file-read?file=/x")).fails(
        500,
        "Agent error: failed to open file '/x' (mode: 'r'): No such file or directory",
    );
}

#[test]
fn what_the_guest_says_of_itself() {
    let (lab, home) = at_home(&seed());
    let result = |what: &str| lab.get(&at(what)).data()["result"].clone();
    for (path, text) in [
        (
            "/etc/os-release",
            "ID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian 13\"\n",
        ),
        ("/proc/sys/kernel/osrelease", "6.12.0\n"),
        ("/proc/sys/kernel/version", "#1 SMP\n"),
    ] {
        home.write_file(100, path, text.as_bytes()).unwrap();
    }
    assert_eq!(
        result("get-osinfo"),
        json!({
            "id": "debian", "version-id": "13", "pretty-name": "Debian 13", "machine": "x86_64",
            "kernel-release": "6.12.0", "kernel-version": "#1 SMP",
        })
    );
    home.ends_with("ops      pts/0        2026-01-02 03:04 (10.0.0.1)\n", "", 0);
    assert_eq!(
        result("get-users"),
        json!([{"user": "ops", "login-time": 1_767_323_040.0}])
    );
    assert_eq!(home.asked().0.last().unwrap(), "who");
    assert_eq!(result("get-host-name"), json!({"host-name": "web"}));
    assert_eq!(result("get-vcpus").as_array().unwrap().len(), 2);
    assert_eq!(
        result("get-vcpus")[0]["online"],
        json!(true),
        "the agent's own booleans"
    );
    let old = lab
        .post("/nodes/pve/qemu/100/agent", &[("command", "get-host-name")])
        .data();
    assert_eq!(old["result"]["host-name"], "web");
    let listed = lab.get("/nodes/pve/qemu/100/agent").data();
    assert!(
        listed
            .as_array()
            .unwrap()
            .contains(&json!({"name": "exec-status"}))
    );
    let freeze = |what: &str| lab.post(&at(what), &[]).data()["result"].clone();
    assert_eq!(freeze("fsfreeze-status"), "thawed");
    assert_eq!(freeze("fsfreeze-freeze"), 1);
    assert_eq!(freeze("fsfreeze-status"), "frozen");
    assert_eq!(freeze("fsfreeze-thaw"), 1);
}

#[test]
fn a_password_never_leaves_by_a_command_line() {
    let (lab, home) = at_home(&seed());
    let form = [("username", "ops"), ("password", "pass word")];
    home.ends_with("", "", 0);
    assert_eq!(
        lab.post(&at("set-user-password"), &form).data(),
        json!({"result": {}})
    );
    assert_eq!(
        home.asked(),
        (vec!["chpasswd".to_owned()], "ops:pass word\n".to_owned())
    );
    home.ends_with("", "chpasswd: user 'x' does not exist\n", 1);
    lab.post(
        &at("set-user-password"),
        &[("username", "x"), ("password", "pass word")],
    )
    .fails(500, "Agent error: chpasswd: user 'x' does not exist");
    let two = [("username", "a"), ("password", "one\nroot:two")];
    assert_eq!(lab.post(&at("set-user-password"), &two).status, 500);
    assert_eq!(
        lab.post(
            &at("set-user-password"),
            &[("username", "a"), ("password", "x")]
        )
        .status,
        400
    );
}

#[test]
fn each_thing_wants_its_right() {
    for (profile, held, ok, refused) in [
        (
            Profile::v9_1(),
            "VM.GuestAgent.FileRead",
            "file-read?file=/x",
            "get-osinfo",
        ),
        (
            Profile::v9_1(),
            "VM.GuestAgent.Unrestricted",
            "get-osinfo",
            "",
        ),
        (Profile::v8_4(), "VM.Monitor", "get-osinfo", ""),
    ] {
        let major = profile.major;
        let mut seed = Seed { profile, ..seed() };
        seed.tokens
            .push(hl_sim::SeedToken::with_privileges("u@pve!t", "s", &[held]));
        let (lab, _) = at_home(&seed);
        let lab = lab.with_token("u@pve!t=s");
        assert_ne!(lab.get(&at(ok)).status, 403, "{held} {major}");
        if !refused.is_empty() {
            lab.get(&at(refused)).fails(
                403,
                "Permission check failed (/vms/100, VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted)",
            );
            lab.post(&at("exec"), &[]).fails(
                403,
                "Permission check failed (/vms/100, VM.GuestAgent.Unrestricted)",
            );
        }
    }
}

#[test]
fn without_a_guest_the_agent_says_so() {
    let lab = Setup::default().start();
    let form = [("vmid", "100"), ("agent", "1"), ("start", "1")];
    lab.done(&lab.post("/nodes/pve/qemu", &form));
    lab.post(&at("exec"), &[("command", "id")])
        .fails(500, "Agent error: nobody is at home in this guest");
    let inside = lab.get(&at("get-osinfo")).data();
    assert_eq!(inside["result"]["error"]["class"], "GenericError");
    lab.post(&at("shutdown"), &[]).data();
    lab.get(&at("get-time")).fails(500, "VM 100 is not running");
    lab.post("/nodes/pve/qemu", &[("vmid", "101")]).data();
    lab.get("/nodes/pve/qemu/101/agent/get-time")
        .fails(500, "No QEMU guest agent configured");
}
