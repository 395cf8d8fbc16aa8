//! Every variable that `hl` knows. `env.example` and `docs/environment.md`
//! are compared with this table by a test.

use super::Redactor;

/// What a variable is about; the sections of `env.example`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Whether and how Doppler is asked.
    Doppler,
    /// Where the node is and how it is reached.
    Proxmox,
    /// What the layers do.
    Layers,
    /// A command-line flag as a variable: read from the process environment
    /// alone, before any file is.
    Flag,
}

/// One variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub group: Group,
    /// What it is when nobody sets it; empty: nothing.
    pub default: &'static str,
    /// A value as it could be; for those without a default.
    pub example: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// Never shown.
    pub secret: bool,
    /// The shipped layers cannot work without it.
    pub required: bool,
    /// Set to nothing it is not the default: a CI variable that nobody filled
    /// in must not mean yes.
    pub empty_counts: bool,
}

/// Rows: the group and the name, the default or an example, what it is, other fields.
macro_rules! variables {
    ($($group:ident $name:literal, $shown:ident $value:literal, $doc:literal $(, $field:ident: $is:expr)*;)*) => {
        &[$(Variable {
            name: $name,
            group: Group::$group,
            $shown: $value,
            doc: $doc,
            $($field: $is,)*
            ..UNSET
        }),*]
    };
}

/// What most variables are.
const UNSET: Variable = Variable {
    name: "",
    group: Group::Flag,
    default: "",
    example: "",
    doc: "",
    secret: false,
    required: false,
    empty_counts: false,
};

/// The table, by group, in the order in which it is documented.
pub const ALL: &[Variable] = variables![
    Doppler "DOPPLER", default "1", "`0`: Doppler is not asked";
    Doppler "FORCE_DOPPLER", default "0", "`1`: Doppler is asked even with `CI=true` or `mode = \"off\"`";
    Doppler "CI", example "true", "`true`: Doppler is not asked, and nothing is drawn that moves";
    Doppler "DOPPLER_TOKEN", example "dp.st.dev.xxxx", "service token, instead of `doppler login`", secret: true;
    Doppler "DOPPLER_PROJECT", example "homelab", "project; wins over `hl.toml` and `doppler setup`";
    Doppler "DOPPLER_CONFIG", example "dev", "config; wins over `hl.toml` and `doppler setup`";
    Doppler "DOPPLER_ENVIRONMENT", example "dev", "given by Doppler: the environment its values belong to";
    Proxmox "PVE_ACCESS_HOST", example "192.168.1.10", "node's address or name, perhaps with scheme and port (`https://pve.lab.example:8006`)", required: true;
    Proxmox "PM_TOKEN_ID", example "hl@pve!hl", "API token: `USER@REALM!NAME`", required: true;
    Proxmox "PM_TOKEN_SECRET", example "00000000-0000-4000-8000-000000000000", "the token's secret, shown once when it is made", required: true, secret: true;
    Proxmox "PVE_NODE", example "pve", "name of the node", required: true;
    Proxmox "PVE_STORAGE_VM", example "local-lvm", "storage for the disks of virtual machines", required: true;
    Proxmox "PVE_BUILD_ADDRESS", example "192.168.1.250/24,gw=192.168.1.1", "free address for the machine that a template is built on: `ADDRESS/BITS,gw=GATEWAY`", required: true;
    Layers "PVE_STORAGE_ISO", default "local", "storage for ISO images";
    Layers "PVE_STORAGE_IMPORT", default "local", "storage with content type `import`, for cloud images";
    Layers "PVE_BRIDGE", default "vmbr0", "bridge of the virtual machines";
    Layers "PVE_CA_FILE", example "/etc/ssl/pve-root-ca.pem", "PEM file to trust beside the system's roots";
    Layers "PVE_MIRROR", example "http://mirror.lab.example/debian/pve", "repository that `pve-install` takes Proxmox VE from, instead of Proxmox's own";
    Layers "PVE_MIRROR_KEY", example "http://mirror.lab.example/key.gpg", "URL of the key that signs it";
    Layers "PVE_MIRROR_FINGERPRINT", example "F4E1...0C39", "fingerprint of that key, 40 hexadecimal digits";
    Layers "PVE_FINGERPRINT", example "AB:CD:...", "SHA-256 of the one certificate to trust";
    Layers "PVE_TLS_INSECURE", default "0", "`1`: the certificate is not verified; warns on every run";
    Layers "UPDATE_STABLE", default "yes", "anything but `yes`, nothing included: a new template or ISO is not promoted to stable", empty_counts: true;
    Layers "L0_MIN_FREE_GIB_ISO", default "4", "free space wanted on the ISO and import storages, in GiB";
    Layers "L0_MIN_FREE_PCT_VM", default "10", "free space wanted on the VM storage, in percent";
    Flag "HL_LAB", example "/srv/lab", "`--lab`: the lab's directory";
    Flag "HL_DRY_RUN", default "0", "`--dry-run`: nothing changes anywhere";
    Flag "DRY_RUN", example "true", "`true` or `false`: wins over `dry_run` in `config/settings.env`, yields to `--dry-run`";
    Flag "HL_DETACH", default "0", "`--detach`: the run goes on without a terminal";
    Flag "HL_YES", default "0", "`--yes`: what needs approval is approved";
    Flag "HL_NO_INPUT", default "0", "`--no-input`: nothing is ever asked";
    Flag "HL_JOBS", example "4", "`--jobs`: steps that run at once";
    Flag "HL_KEEP_GOING", default "0", "`--keep-going`: after a failure, continue with the steps that do not depend on it";
    Flag "HL_INTERRUPT", default "0", "`--interrupt`: interrupt the processes of a killed run instead of waiting for them";
    Flag "HL_TIMEOUT", example "30m", "`--timeout`: for each step";
    Flag "HL_RUN_TIMEOUT", example "2h", "`--run-timeout`: for the whole run";
    Flag "HL_JSON", default "0", "`--json`: data for machines on stdout";
    Flag "HL_EVENTS", example "json", "`--events`: every event as a line of JSON";
    Flag "HL_JUNIT", example "reports/junit.xml", "`--junit`: writes a JUnit report of the run";
    Flag "HL_OUTPUT", default "auto", "`--output`: `auto`, `live`, `prefix`, `group` or `quiet`";
    Flag "HL_COLOR", default "auto", "`--color`: `auto`, `always` or `never`";
    Flag "HL_QUIET", default "0", "`-q`: less narration";
    Flag "HL_VERBOSE", default "0", "`-v`: more narration";
    Flag "HL_LOG", example "hl::pve=debug", "what a run traces to stderr: `info`, `debug`, `trace`, or `TARGET=LEVEL`, several with commas";
    Flag "HL_REPO_TOKEN", example "0123456789abcdef0123456789abcdef01234567", "the token that opens the repositories of `hl serve`; never empty", secret: true;
];

/// The variable of that name.
pub fn find(name: &str) -> Option<&'static Variable> {
    ALL.iter().find(|variable| variable.name == name)
}

/// Whether a value under this name must not be shown: by the table, else by
/// how the name ends.
pub fn is_secret(name: &str) -> bool {
    if let Some(variable) = find(name) {
        variable.secret
    } else {
        let upper = name.to_ascii_uppercase();
        SECRET_ENDINGS.iter().any(|ending| {
            upper
                .strip_suffix(ending)
                .is_some_and(|before| before.is_empty() || before.ends_with(['_', '.', '-']))
        })
    }
}

/// The same for what Doppler gives: everything is secret, but the variables of
/// the table that are not, and values that say nothing and are everywhere in
/// output: words for yes, no and nothing, and what is too short to be masked.
pub fn is_secret_from_doppler(name: &str, value: &str) -> bool {
    if find(name).is_some() || is_secret(name) {
        return is_secret(name);
    }
    let value = value.trim().to_ascii_lowercase();
    !Redactor::is_too_short(&value) && !["true", "false", "none", "null"].contains(&value.as_str())
}

/// Last words of names whose values are secret.
const SECRET_ENDINGS: &[&str] = &[
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PRIVATE_KEY",
    "SECRET_KEY",
    "ACCESS_KEY",
    "API_KEY",
    "APIKEY",
    "CREDENTIALS",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_have_a_default_or_an_example() {
        let names: BTreeSet<_> = ALL.iter().map(|v| v.name).collect();
        assert_eq!(names.len(), ALL.len());
        for variable in ALL {
            assert!(!variable.doc.is_empty());
            assert_ne!(
                variable.default.is_empty(),
                variable.example.is_empty(),
                "{}",
                variable.name
            );
        }
    }

    #[test]
    fn secrets_are_known_by_name() {
        for name in [
            "PM_TOKEN_SECRET",
            "GITHUB_TOKEN",
            "db_password",
            "TF_VAR_api.token",
            "SECRET",
            "AWS_SECRET_ACCESS_KEY",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "PM_TOKEN_ID",
            "PVE_NODE",
            "COMPASS",
            "TOKENIZER",
            "SSH_AUTH_SOCK",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn doppler_gives_secrets_but_not_only() {
        assert!(is_secret_from_doppler("ANYTHING", "value"));
        assert!(is_secret_from_doppler("PM_TOKEN_SECRET", "abc"));
        for (name, value) in [
            ("PVE_NODE", "pve1"),
            ("DOPPLER_CONFIG", "dev_personal"),
            ("FEATURE", "true"),
            ("COUNT", "12"),
        ] {
            assert!(!is_secret_from_doppler(name, value), "{name}");
        }
    }
}
