//! A lab with the example site-config and a few specs that cannot be served.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::lab::copy;
use crate::support::{Daemon, Hl, TestLab};

/// What opens the repositories.
pub(super) const REPO_TOKEN: &str = "repo-token-of-the-test";

/// Specs beside those of the example, and what is behind them.
const MORE: [(&str, &str); 8] = [
    (
        "v2/specs/vault9.yaml",
        "schema_version: 1\naccess: {posture: prod}\n",
    ),
    (
        "v2/specs/odd.yaml",
        "schema_version: 1\naccess: {posture: magic}\n",
    ),
    ("v2/postures/magic.yaml", "auth: {method: magic}\n"),
    (
        "v2/specs/lost.yaml",
        "schema_version: 1\naccess: {posture: gone}\n",
    ),
    (
        "v2/specs/keyless.yaml",
        "schema_version: 1\naccess: {users: [{name: eve, ssh_keys: [nobody@nowhere]}]}\n",
    ),
    (
        "v2/specs/locked.yaml",
        "schema_version: 1\naccess: {posture: stage, users: [{name: eve, ssh_keys: [nobody@nowhere]}]}\n",
    ),
    ("v2/specs/broken.yaml", "schema_version: [1\n"),
    ("v2/specs/not-a-spec.yml", "schema_version: 1\n"),
];

/// A lab with a site-config.
pub(super) struct Stage {
    pub(super) lab: TestLab,
}

impl Stage {
    /// With specs that cannot be served.
    pub(super) fn new() -> Self {
        let stage = Self::example();
        for (file, text) in MORE {
            stage.lab.write(&format!("site/{file}"), text);
        }
        stage
    }

    /// The example alone.
    pub(super) fn example() -> Self {
        let lab = TestLab::empty();
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site/tree");
        copy(&tree, &lab.path("site"));
        let secrets = lab.path("site/secrets.yaml");
        fs::set_permissions(secrets, fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(lab.path("run")).unwrap();
        Self { lab }
    }

    /// `hl` in the lab, with a repo token and a runtime directory of its own.
    pub(super) fn hl(&self, words: &str) -> Hl {
        let run = self.lab.path("run").display().to_string();
        self.lab
            .hl(words)
            .env("XDG_RUNTIME_DIR", run)
            .env("HL_REPO_TOKEN", REPO_TOKEN)
    }

    /// A controller of it.
    #[track_caller]
    pub(super) fn serve(&self) -> Daemon {
        Daemon::start(&self.hl("serve"))
    }
}
