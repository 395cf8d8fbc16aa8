//! Where everything of a lab is on disk.
//!
//! What people write lies under the root. What runs write lies under `out`,
//! which is the root itself, or `state/rehearsal/` in a rehearsal: so a
//! rehearsal cannot touch what a live run reads.

use camino::{Utf8Path, Utf8PathBuf};

use crate::diag::Commands;

/// The paths of a lab. All are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: Utf8PathBuf,
    out: Utf8PathBuf,
    site: Utf8PathBuf,
}

impl Paths {
    /// The paths of the lab at `root` (absolute), for live runs.
    pub fn live(root: impl Into<Utf8PathBuf>) -> Self {
        let root = root.into();
        Self {
            out: root.clone(),
            site: root.join("site"),
            root,
        }
    }

    /// The same lab with its site-config elsewhere.
    #[must_use]
    pub fn with_site(&self, site: impl Into<Utf8PathBuf>) -> Self {
        Self {
            site: site.into(),
            ..self.clone()
        }
    }

    /// The same lab, with all that is written under `state/rehearsal/`.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        Self {
            out: self.root.join("state/rehearsal"),
            ..self.clone()
        }
    }

    /// Whether these are the paths of a rehearsal.
    pub fn is_rehearsal(&self) -> bool {
        self.out != self.root
    }

    /// Whose commands of `hl` are advised to those who work with these paths.
    pub fn commands(&self) -> Commands {
        if self.is_rehearsal() {
            Commands::Rehearsed
        } else {
            Commands::Live
        }
    }

    /// The directory that holds `hl.toml`.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Where runs write; the root, or `state/rehearsal/`.
    pub fn out(&self) -> &Utf8Path {
        &self.out
    }

    /// `hl.toml`.
    pub fn config(&self) -> Utf8PathBuf {
        self.root.join("hl.toml")
    }

    /// `config/settings.env`. A rehearsal reads the live one.
    pub fn settings(&self) -> Utf8PathBuf {
        self.root.join("config/settings.env")
    }

    /// `.env`.
    pub fn dotenv(&self) -> Utf8PathBuf {
        self.root.join(".env")
    }

    /// `state/proxmox.env`: where the node is, written by people or by `hl`.
    /// A rehearsal reads the live one: it rehearses that very node.
    pub fn proxmox_env(&self) -> Utf8PathBuf {
        self.root.join("state/proxmox.env")
    }

    /// `state/secrets.env`: all of it secret. A rehearsal reads the live one.
    pub fn secrets_env(&self) -> Utf8PathBuf {
        self.root.join("state/secrets.env")
    }

    /// The layers' definitions and assets.
    pub fn layers(&self) -> Utf8PathBuf {
        self.root.join("layers")
    }

    /// The lab's own scenarios.
    pub fn scenarios(&self) -> Utf8PathBuf {
        self.root.join("scenarios")
    }

    /// The site-config: `site/`, or where a search found another.
    pub fn site(&self) -> Utf8PathBuf {
        self.site.clone()
    }

    /// `state/`, 0700.
    pub fn state(&self) -> Utf8PathBuf {
        self.out.join("state")
    }

    /// What a set-up node's authority is kept in, PEM.
    pub fn authority(&self, node: &str) -> Utf8PathBuf {
        self.state().join("nodes").join(format!("{node}.pem"))
    }

    /// Where nodes that were set up are written: the site-config, in a rehearsal a
    /// directory of its own with `nodes/` and secrets alone.
    pub fn own_site(&self) -> Utf8PathBuf {
        if self.is_rehearsal() {
            self.out.join("site")
        } else {
            self.site()
        }
    }

    /// The snapshot of what is true now.
    pub fn runtime(&self) -> Utf8PathBuf {
        self.state().join("runtime.yaml")
    }

    /// The handoff of the latest run to other tools.
    pub fn latest_env(&self) -> Utf8PathBuf {
        self.runs().join("latest.env")
    }

    /// The templates and images, for other tools.
    pub fn templates_manifest(&self) -> Utf8PathBuf {
        self.state().join("cache/templates/manifest.json")
    }

    /// Run files.
    pub fn runs(&self) -> Utf8PathBuf {
        self.state().join("runs")
    }

    /// Logs, spools and reports of one run.
    pub fn logs(&self, run: &str) -> Utf8PathBuf {
        self.state().join("logs").join(run)
    }

    /// Host keys of the lab's VMs, in OpenSSH's format.
    pub fn known_hosts(&self) -> Utf8PathBuf {
        self.state().join("known_hosts")
    }

    /// Manifests, pointers and image pins of one template:
    /// `artifacts/`, `spec/`, `image.lock`.
    pub fn template(&self, name: &str) -> Utf8PathBuf {
        self.out.join("templates").join(name)
    }

    /// All templates' directories.
    pub fn templates(&self) -> Utf8PathBuf {
        self.out.join("templates")
    }

    /// The states of tofu, those of manifests two directories deeper.
    pub fn states(&self) -> Utf8PathBuf {
        self.out.join(".states")
    }

    /// OpenTofu state of one environment on one node: `terraform.tfstate` and `data/`.
    pub fn tofu_state(&self, key: &str) -> Utf8PathBuf {
        self.states().join(key)
    }

    /// Rendered files.
    pub fn build(&self) -> Utf8PathBuf {
        self.out.join(".build")
    }

    /// Run reports for people.
    pub fn reports(&self) -> Utf8PathBuf {
        self.out.join("reports")
    }

    /// The platform: `platform.yaml`, adapters, and what is rendered from them.
    /// A rehearsal reads the live ones.
    pub fn platform(&self) -> Utf8PathBuf {
        self.root.join("platform")
    }

    /// Rendered files of the platform whose placeholders a bootstrap filled in.
    pub fn platform_live(&self) -> Utf8PathBuf {
        self.out.join("platform/live")
    }

    /// Scripts of a bootstrap while it runs: a directory for each run.
    pub fn platform_scripts(&self) -> Utf8PathBuf {
        self.state().join("platform")
    }

    /// Where a run keeps secrets that it makes; `state/secrets.env`, and in a
    /// rehearsal a file of its own.
    pub fn made_secrets(&self) -> Utf8PathBuf {
        self.state().join("secrets.env")
    }

    /// `path` relative to the root, as people should see it.
    pub fn show(&self, path: &Utf8Path) -> Utf8PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }
}
