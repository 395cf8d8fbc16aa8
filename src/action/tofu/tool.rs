//! Which program does it: what the lab names, else what PATH has.

use crate::action::{ChildSpec, StepContext};
use crate::diag::Exit;
use crate::diag::StepError;

/// OpenTofu or Terraform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tool {
    /// Name or path.
    pub(super) program: String,
    /// Which of the two it is.
    pub(super) flavor: Flavor,
    /// Its version, major and minor.
    pub(super) version: (u32, u32),
}

/// The two do the same with small differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    OpenTofu,
    Terraform,
}

impl Flavor {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OpenTofu => "opentofu",
            Self::Terraform => "terraform",
        }
    }
}

impl Tool {
    /// Finds the program and asks it what it is.
    pub(super) fn find(ctx: &StepContext<'_>) -> Result<Self, StepError> {
        let path = ctx.env.get("PATH").unwrap_or_default();
        let root = ctx.lab.paths.root();
        let there = |name: &str| which::which_in(name, Some(path), root).is_ok();
        let program = match ctx.lab.config.tools.get("tofu") {
            Some(name) if there(name) => name.clone(),
            Some(name) => {
                return Err(
                    missing(format!("`{name}`, which `[tools]` names, does not exist"))
                        .help("change `tofu` under `[tools]` in `hl.toml`"),
                );
            }
            None => ["tofu", "terraform"]
                .into_iter()
                .find(|name| there(name))
                .map(str::to_owned)
                .ok_or_else(|| missing("neither `tofu` nor `terraform` is on PATH".to_owned()))?,
        };
        let asked = ctx.exec.capture(&ChildSpec::new(&program, ["version"]))?;
        let text = String::from_utf8_lossy(&asked.stdout).into_owned();
        let Some((flavor, version)) = parse(&text) else {
            return Err(missing(format!(
                "`{program} version` is not OpenTofu's or Terraform's: `{}`",
                text.lines().next().unwrap_or_default()
            )));
        };
        Ok(Self {
            program,
            flavor,
            version,
        })
    }

    /// Whether it can write its events to a file beside the text for people.
    pub(super) fn has_json_into(&self) -> bool {
        self.flavor == Flavor::OpenTofu && self.version >= (1, 12)
    }
}

fn missing(message: String) -> StepError {
    StepError::new(message)
        .exit(Exit::Runway)
        .help("install OpenTofu, or run `scripts/tools`")
}

/// `OpenTofu v1.12.6`
fn parse(text: &str) -> Option<(Flavor, (u32, u32))> {
    let (name, version) = text.lines().next()?.split_once(" v")?;
    let flavor = match name {
        "OpenTofu" => Flavor::OpenTofu,
        "Terraform" => Flavor::Terraform,
        _ => return None,
    };
    let mut parts = version.split('.');
    let mut number = || parts.next()?.parse().ok();
    Some((flavor, (number()?, number()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(
            parse("OpenTofu v1.12.6\non linux_amd64\n"),
            Some((Flavor::OpenTofu, (1, 12)))
        );
        assert_eq!(
            parse("Terraform v1.11.4\n"),
            Some((Flavor::Terraform, (1, 11)))
        );
        assert_eq!(parse("just 1.40.0"), None);
        assert_eq!(parse(""), None);
    }
}
