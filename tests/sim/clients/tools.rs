//! Where the real tools are, and how they are run.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use hl_sim::{RequestLine, Running};

/// The variables that `scripts/tools` prints, when a tool of that name is there.
/// Elsewhere than in CI a missing tool is said and the test skipped.
pub(super) fn with(tool: &str) -> Option<BTreeMap<String, String>> {
    let script =
        format!("eval \"$(bash scripts/tools --print-env)\" && command -v {tool} >&2 && env -0");
    let out = Command::new("bash")
        .args(["-c", &script])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    if !out.status.success() {
        assert!(
            std::env::var_os("HL_TESTS_NEED_ALL").is_none() && std::env::var_os("CI").is_none(),
            "{tool} is not installed: scripts/tools installs it"
        );
        eprintln!("skipped: {tool} not installed");
        return None;
    }
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let pairs = text.split('\0').filter_map(|line| line.split_once('='));
    Some(
        pairs
            .filter(|(name, _)| {
                let wanted = ["PATH", "HOME", "TF_CLI_CONFIG_FILE", "PACKER_PLUGIN_PATH"];
                wanted.contains(name)
            })
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

/// How a tool ended, and all that it said.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) text: String,
    /// What it asked the server meanwhile.
    pub(super) requests: Vec<RequestLine>,
}

/// Runs a tool in a folder; it trusts the server's authority and nothing else.
pub(super) fn run(
    variables: &BTreeMap<String, String>,
    server: &Running,
    folder: &Path,
    argv: &[&str],
) -> Ran {
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, server.ca_pem()).unwrap();
    let mut login = BTreeMap::new();
    if !variables.contains_key("PROXMOX_VE_PASSWORD") {
        login.insert("PROXMOX_VE_API_TOKEN", crate::sim::support::TOKEN);
    }
    let before = server.requests().len();
    let (program, rest) = argv.split_first().unwrap();
    let out = Command::new(program)
        .args(rest)
        .current_dir(folder)
        .env_clear()
        .envs(variables)
        .envs(login)
        .env("SSL_CERT_FILE", &ca)
        .env("CHECKPOINT_DISABLE", "1")
        .env("TMPDIR", folder)
        .env("PROXMOX_VE_ENDPOINT", format!("https://{}/", server.addr()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        code: out.status.code().unwrap_or(-1),
        text: format!(
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        ),
        requests: server.requests().split_off(before),
    }
}
