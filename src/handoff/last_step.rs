//! The words of `LAST_STEP_COMPLETED`.

use std::fmt;

/// What `LAST_STEP_COMPLETED` may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LastStep {
    /// The node is known and lets us in.
    ProxmoxAccess,
    /// The templates are there.
    Templates,
    /// tofu has planned.
    TerraformPlan,
    /// The machines and their `outputs.json` are there.
    TerraformApply,
    /// Playbooks were checked.
    AnsibleCheck,
    /// The machines are converged.
    AnsibleApply,
}

impl LastStep {
    /// All of them, in the order of a whole run.
    pub const ALL: [Self; 6] = [
        Self::ProxmoxAccess,
        Self::Templates,
        Self::TerraformPlan,
        Self::TerraformApply,
        Self::AnsibleCheck,
        Self::AnsibleApply,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProxmoxAccess => "proxmox_access",
            Self::Templates => "templates",
            Self::TerraformPlan => "terraform_plan",
            Self::TerraformApply => "terraform_apply",
            Self::AnsibleCheck => "ansible_check",
            Self::AnsibleApply => "ansible_apply",
        }
    }

    /// What a text says; nothing when it is none of them.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }
}

impl fmt::Display for LastStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
