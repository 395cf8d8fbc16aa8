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
    /// Layers that cannot work without it.
    pub required: &'static [&'static str],
    /// Layers that look at it.
    pub used: &'static [&'static str],
    /// Set to nothing it is not the default: a CI variable that nobody filled
    /// in must not mean yes.
    pub empty_counts: bool,
}

const NODE: &[&str] = &["l0", "l1", "l2"];
const BUILD: &[&str] = &["l0", "l1"];
const NONE: &[&str] = &[];

/// The table, by group, in the order in which it is documented.
pub const ALL: &[Variable] = &[
    doppler("DOPPLER", "1", "", "`0`: Doppler is not asked"),
    doppler(
        "FORCE_DOPPLER",
        "0",
        "",
        "`1`: Doppler is asked even with `CI=true` or `mode = \"off\"`",
    ),
    doppler(
        "CI",
        "",
        "true",
        "`true`: Doppler is not asked, and nothing is drawn that moves",
    ),
    Variable {
        secret: true,
        ..doppler(
            "DOPPLER_TOKEN",
            "",
            "dp.st.dev.xxxx",
            "service token, instead of `doppler login`",
        )
    },
    doppler(
        "DOPPLER_PROJECT",
        "",
        "homelab",
        "project; wins over `hl.toml` and `doppler setup`",
    ),
    doppler(
        "DOPPLER_CONFIG",
        "",
        "dev",
        "config; wins over `hl.toml` and `doppler setup`",
    ),
    doppler(
        "DOPPLER_ENVIRONMENT",
        "",
        "dev",
        "given by Doppler: the environment its values belong to",
    ),
    required(
        "PVE_ACCESS_HOST",
        "192.168.1.10",
        "node's address or name, perhaps with scheme and port (`https://pve.lab.example:8006`)",
    ),
    required("PM_TOKEN_ID", "hl@pve!hl", "API token: `USER@REALM!NAME`"),
    Variable {
        secret: true,
        ..required(
            "PM_TOKEN_SECRET",
            "00000000-0000-4000-8000-000000000000",
            "the token's secret, shown once when it is made",
        )
    },
    required("PVE_NODE", "pve", "name of the node"),
    required(
        "PVE_STORAGE_VM",
        "local-lvm",
        "storage for the disks of virtual machines",
    ),
    Variable {
        group: Group::Proxmox,
        required: BUILD,
        ..optional(
            "PVE_BUILD_ADDRESS",
            "",
            "192.168.1.250/24,gw=192.168.1.1",
            "free address for the machine that a template is built on: `ADDRESS/BITS,gw=GATEWAY`",
            BUILD,
        )
    },
    optional(
        "PVE_STORAGE_ISO",
        "local",
        "",
        "storage for ISO images",
        BUILD,
    ),
    optional(
        "PVE_STORAGE_IMPORT",
        "local",
        "",
        "storage with content type `import`, for cloud images",
        BUILD,
    ),
    optional(
        "PVE_BRIDGE",
        "vmbr0",
        "",
        "bridge of the virtual machines",
        NODE,
    ),
    optional(
        "PVE_CA_FILE",
        "",
        "/etc/ssl/pve-root-ca.pem",
        "PEM file to trust beside the system's roots",
        NODE,
    ),
    optional(
        "PVE_FINGERPRINT",
        "",
        "AB:CD:...",
        "SHA-256 of the one certificate to trust",
        NODE,
    ),
    optional(
        "PVE_TLS_INSECURE",
        "0",
        "",
        "`1`: the certificate is not verified; warns on every run",
        NODE,
    ),
    Variable {
        empty_counts: true,
        ..optional(
            "UPDATE_STABLE",
            "yes",
            "",
            "anything but `yes`, nothing included: a new template or ISO is not promoted to stable",
            &["l1"],
        )
    },
    optional(
        "L0_MIN_FREE_GIB_ISO",
        "4",
        "",
        "free space wanted on the ISO and import storages, in GiB",
        &["l0"],
    ),
    optional(
        "L0_MIN_FREE_PCT_VM",
        "10",
        "",
        "free space wanted on the VM storage, in percent",
        &["l0"],
    ),
    flag("HL_LAB", "", "/srv/lab", "`--lab`: the lab's directory"),
    flag(
        "HL_DRY_RUN",
        "0",
        "",
        "`--dry-run`: nothing changes anywhere",
    ),
    flag(
        "DRY_RUN",
        "",
        "true",
        "`true` or `false`: wins over `dry_run` in `config/settings.env`, yields to `--dry-run`",
    ),
    flag(
        "HL_YES",
        "0",
        "",
        "`--yes`: what needs approval is approved",
    ),
    flag(
        "HL_NO_INPUT",
        "0",
        "",
        "`--no-input`: nothing is ever asked",
    ),
    flag("HL_JOBS", "", "4", "`--jobs`: steps that run at once"),
    flag(
        "HL_KEEP_GOING",
        "0",
        "",
        "`--keep-going`: after a failure, continue with the steps that do not depend on it",
    ),
    flag(
        "HL_INTERRUPT",
        "0",
        "",
        "`--interrupt`: interrupt the processes of a killed run instead of waiting for them",
    ),
    flag("HL_TIMEOUT", "", "30m", "`--timeout`: for each step"),
    flag(
        "HL_RUN_TIMEOUT",
        "",
        "2h",
        "`--run-timeout`: for the whole run",
    ),
    flag("HL_JSON", "0", "", "`--json`: data for machines on stdout"),
    flag(
        "HL_EVENTS",
        "",
        "json",
        "`--events`: every event as a line of JSON",
    ),
    flag(
        "HL_JUNIT",
        "",
        "reports/junit.xml",
        "`--junit`: writes a JUnit report of the run",
    ),
    flag(
        "HL_OUTPUT",
        "auto",
        "",
        "`--output`: `auto`, `live`, `prefix`, `group` or `quiet`",
    ),
    flag(
        "HL_COLOR",
        "auto",
        "",
        "`--color`: `auto`, `always` or `never`",
    ),
    flag("HL_QUIET", "0", "", "`-q`: less narration"),
    flag("HL_VERBOSE", "0", "", "`-v`: more narration"),
    flag(
        "HL_LOG",
        "",
        "hl::pve=debug",
        "what a run traces to stderr: `info`, `debug`, `trace`, or `TARGET=LEVEL`, several with commas",
    ),
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

const fn doppler(
    name: &'static str,
    default: &'static str,
    example: &'static str,
    doc: &'static str,
) -> Variable {
    Variable {
        name,
        group: Group::Doppler,
        default,
        example,
        doc,
        secret: false,
        required: NONE,
        used: NONE,
        empty_counts: false,
    }
}

const fn required(name: &'static str, example: &'static str, doc: &'static str) -> Variable {
    Variable {
        name,
        group: Group::Proxmox,
        default: "",
        example,
        doc,
        secret: false,
        required: NODE,
        used: NODE,
        empty_counts: false,
    }
}

const fn optional(
    name: &'static str,
    default: &'static str,
    example: &'static str,
    doc: &'static str,
    used: &'static [&'static str],
) -> Variable {
    Variable {
        group: Group::Layers,
        default,
        required: NONE,
        used,
        ..required(name, example, doc)
    }
}

const fn flag(
    name: &'static str,
    default: &'static str,
    example: &'static str,
    doc: &'static str,
) -> Variable {
    Variable {
        group: Group::Flag,
        ..doppler(name, default, example, doc)
    }
}

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
