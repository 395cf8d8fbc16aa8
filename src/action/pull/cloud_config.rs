//! The snippet: vendor-data for cloud-init, which leaves user, keys and network to the
//! settings of the machine. It is JSON, which is YAML.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::settings::Pull;

/// Where it all is on the machine.
pub(super) const STATE: &str = "/var/lib/hl-spec";
/// The unit that applies the spec, at each boot too.
pub(super) const UNIT: &str = "hl-spec.service";
/// What it runs.
const PROGRAM: &str = include_str!("apply.py");
const SERVICE: &str = include_str!("hl-spec.service");

/// The text of a machine's snippet.
pub(super) fn text(pull: &Pull) -> String {
    let mut files = vec![
        file("/usr/local/lib/hl-spec/apply.py", "0755", PROGRAM),
        file(&format!("/etc/systemd/system/{UNIT}"), "0644", SERVICE),
        file(&format!("{STATE}/settings.json"), "0644", &pull.settings),
    ];
    if let Some(token) = &pull.token {
        files.push(file(&format!("{STATE}/token"), "0600", token.reveal()));
    }
    let config = json!({
        "write_files": files,
        "runcmd": [
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", UNIT],
        ],
    });
    format!("#cloud-config\n{config:#}\n")
}

/// A file that cloud-init writes.
pub(in crate::action) fn file(path: &str, mode: &str, text: &str) -> Value {
    json!({
        "path": path,
        // As text: cloud-init takes a number for a decimal one.
        "permissions": mode,
        "encoding": "b64",
        "content": STANDARD.encode(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;
    use crate::site::secrets::Secrets;

    #[test]
    fn a_token_has_a_file_of_its_own_for_root_alone() {
        let secrets = Secrets::parse(Source::new("s", "auth: {site_token: t0k}\n")).unwrap();
        let mut pull = Pull {
            settings: "{}\n".to_owned(),
            token: secrets.site_token,
            digest: String::new(),
        };
        let parsed = |text: &str| -> Value {
            let (head, rest) = text.split_once('\n').unwrap();
            assert_eq!(head, "#cloud-config");
            serde_json::from_str(rest).unwrap()
        };
        let config = parsed(&text(&pull));
        let token = &config["write_files"][3];
        assert_eq!(token["path"], "/var/lib/hl-spec/token");
        assert_eq!(token["permissions"], "0600");
        assert_eq!(token["content"], STANDARD.encode("t0k"));
        assert!(!text(&pull).contains("t0k"));
        pull.token = None;
        let config = parsed(&text(&pull));
        assert_eq!(config["write_files"].as_array().unwrap().len(), 3);
        assert_eq!(config["runcmd"][1][3], UNIT);
    }
}
