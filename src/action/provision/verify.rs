//! `host.verify`: what an installer left on a machine is there.

use schemars::JsonSchema;
use serde::Deserialize;

use super::target::Target;
use crate::action::remote::Where;
use crate::action::{About, Action, Done, StepContext};
use crate::base::quoted;
use crate::diag::StepError;

/// What `install` looks at.
const INSTALL: &str = r#"
missing=
for file in /usr/local/bin/hl; do [ -x "$file" ] || missing="$missing $file"; done
for dir in /usr/local/etc/homestak /usr/local/lib/homestak; do [ -d "$dir" ] || missing="$missing $dir"; done
if [ -n "$missing" ]; then echo "missing:$missing" >&2; exit 1; fi
/usr/local/bin/hl --version
"#;

/// Looks whether a machine has what was installed.
#[derive(Debug, Clone, Copy)]
pub struct HostVerify;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum What {
    /// `hl --version`, and the places of the lab and the site-config.
    Install,
    /// The automation user, who may use sudo.
    User,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// What is looked at: `install` or `user`.
    what: What,
    /// The host, of `nodes/` or `hosts/` in the site.
    #[serde(default)]
    host: String,
    /// Its address, `[USER@]ADDRESS`.
    #[serde(default)]
    remote: String,
    /// This machine itself; as root where it is changed.
    #[serde(default)]
    local: bool,
    /// The user; empty for the site's `automation_user`.
    #[serde(default)]
    user: String,
}

impl Inputs {
    fn place(&self) -> Where<'_> {
        Where {
            host: &self.host,
            remote: &self.remote,
            local: self.local,
        }
    }
}

impl Action for HostVerify {
    fn about(&self) -> About {
        About::of::<Inputs>("host.verify")
            .doc("what was installed on a host is there: `hl` with its places, or the user")
            .never("it reads and checks")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let target = Target::of(ctx, inputs.place())?;
        Ok(Done::new(format!("would look at {}", target.shown())))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let target = Target::of(ctx, inputs.place())?;
        let user = match inputs.user.as_str() {
            "" => target.automation_user.as_str(),
            user => user,
        };
        let (what, script) = match inputs.what {
            What::Install => ("looking for hl", INSTALL.to_owned()),
            What::User => {
                let user = quoted(user);
                let script = format!("id {user} && sudo -n -l -U {user} | grep '(ALL'");
                ("looking for the user and its sudo", script)
            }
        };
        let said = target.look(ctx, what, &script)?;
        let last = said.lines().last().unwrap_or_default().trim();
        Ok(Done::new(match inputs.what {
            What::Install => format!("{last} on {}", target.shown()),
            What::User => format!("`{user}` is on {}", target.shown()),
        }))
    }
}
