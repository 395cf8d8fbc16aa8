//! `hl spec get`: a machine asks for its spec.

use std::os::unix::fs::PermissionsExt;

use super::stage::Stage;
use crate::support::{Daemon, Hl};

/// A machine without a lab.
struct Machine<'a> {
    daemon: &'a Daemon,
    home: tempfile::TempDir,
}

impl<'a> Machine<'a> {
    fn new(daemon: &'a Daemon) -> Self {
        let home = tempfile::TempDir::new().unwrap();
        Self { daemon, home }
    }

    fn print(&self) -> String {
        self.daemon.started["fingerprint"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// As its profile sets it up.
    fn hl(&self, words: &str) -> Hl {
        let etc = self.home.path().join("etc").display().to_string();
        Hl::new(self.home.path())
            .cmd(words)
            .env("HOMESTAK_ETC", etc)
            .env(
                "HOMESTAK_SPEC_SERVER",
                self.daemon.started["url"].as_str().unwrap(),
            )
            .env("HOMESTAK_IDENTITY", "edge")
            .env("HOMESTAK_AUTH_TOKEN", "stage-shared-7f3a")
    }

    fn get(&self, words: &str) -> Hl {
        self.hl(&format!("spec get --fingerprint {} {words}", self.print()))
    }

    fn read(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.home.path().join(file)).ok()
    }
}

#[test]
fn the_spec_is_saved_and_the_one_before_is_kept() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let machine = Machine::new(&daemon);
    machine
        .get("")
        .exits(0)
        .says(&["Saved", "etc/state/spec.yaml"]);
    let saved = machine.read("etc/state/spec.yaml").unwrap();
    let token = ("Authorization", "Bearer stage-shared-7f3a");
    assert_eq!(saved, daemon.connect().get("/spec/edge", &[token]).text());
    let mode = |file: &str| {
        let meta = std::fs::metadata(machine.home.path().join(file)).unwrap();
        meta.permissions().mode() & 0o777
    };
    assert_eq!(
        (mode("etc/state/spec.yaml"), mode("etc/state")),
        (0o600, 0o700)
    );
    // The same again changes nothing.
    machine.get("").exits(0).says(&["the same as before"]);
    assert_eq!(machine.read("etc/state/spec.yaml.prev"), None);
    // Flags win over variables.
    machine.get("-i base -t x").exits(0);
    assert_ne!(machine.read("etc/state/spec.yaml").unwrap(), saved);
    assert_eq!(machine.read("etc/state/spec.yaml.prev").unwrap(), saved);
    for words in [
        "--output other.yaml",
        "--output=other.yaml",
        "-o other.yaml",
    ] {
        machine.get(words).exits(0);
        let other = machine.home.path().join("other.yaml");
        assert_eq!(std::fs::read_to_string(&other).unwrap(), saved, "{words}");
        std::fs::remove_file(other).unwrap();
    }
    machine.get("--dry-run -o dry.yaml").exits(0);
    assert_eq!(machine.read("dry.yaml"), None);
}

#[test]
fn exit_codes_say_what_went_wrong() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let machine = Machine::new(&daemon);
    let get = |words: &str| machine.get(words);
    get("")
        .without("HOMESTAK_IDENTITY")
        .exits(1)
        .says(&["HOMESTAK_IDENTITY"]);
    get("")
        .without("HOMESTAK_SPEC_SERVER")
        .exits(1)
        .says(&["--server"]);
    // Where other commands end with 2.
    get("--bogus").exits(1).says(&["--bogus"]);
    get("too many").exits(1).says(&["unexpected argument"]);
    get("--ca-cert x").exits(1).says(&["--fingerprint"]);
    machine
        .hl("--json spec get --timeout soon")
        .exits(1)
        .says(&["--timeout"]);
    get("-s http://127.0.0.1:1").exits(1).says(&["https"]);
    get("-i ../secrets")
        .exits(1)
        .says(&["not the name of a spec"]);
    get("-i %2e%2e").exits(1).says(&["400: E100"]);
    get("")
        .without("HOMESTAK_AUTH_TOKEN")
        .exits(1)
        .says(&["401: E300", "HOMESTAK_AUTH_TOKEN"]);
    get("-t wrong").exits(2).says(&["403: E301"]);
    get("-i nobody").exits(2).says(&["404: E200"]);
    get("-i odd").exits(2).says(&["500: E500"]);
    get("-s https://127.0.0.1:1")
        .exits(2)
        .says(&["E501", "refused"]);
    assert_eq!(machine.read("etc/state/spec.yaml"), None);
}

#[test]
fn only_a_server_that_is_known_is_told_the_token() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let machine = Machine::new(&daemon);
    let print = machine.print();
    machine
        .hl("spec get")
        .exits(2)
        .says(&["no authority known here", &format!("--fingerprint {print}")]);
    let other = format!("00{}", print.get(2..).unwrap());
    machine
        .hl(&format!("spec get --fingerprint {other}"))
        .exits(2)
        .says(&["not the pinned one", &print]);
    machine
        .hl("spec get --fingerprint 12")
        .exits(1)
        .says(&["not the fingerprint"]);
    machine.hl("spec get --insecure").exits(0);
    machine.hl("spec get -k").exits(0);
    // By its certificate as an authority.
    let certificate = daemon.connect().certificate();
    let block = pem::encode(&pem::Pem::new("CERTIFICATE", certificate));
    std::fs::write(machine.home.path().join("ca.pem"), block).unwrap();
    machine.hl("spec get --ca-cert ca.pem").exits(0);
    machine
        .hl("spec get --ca-cert gone.pem")
        .exits(1)
        .says(&["gone.pem"]);
}
