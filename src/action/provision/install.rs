//! `pve.install`: a Debian becomes a Proxmox VE. It asks before, with the restart that it
//! needs; on this machine the run ends there, and goes on after the restart.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::playbook::{as_root, playbook, variables, write};
use super::target::Target;
use crate::action::ansible::{check_syntax, converge};
use crate::action::remote::Where;
use crate::action::{About, Action, Approval, ChildSpec, Done, StepContext};
use crate::base::count;
use crate::diag::{Cause, Exit, StepError, say};
use crate::lab;

/// Its playbook.
const PLAYBOOK: &str = "pve-install";
/// What is looked at, a fact a line. Reads only.
const LOOK: &str = r#"
. /etc/os-release
echo "id=$ID"; echo "version=${VERSION_ID:-none}"; echo "name=$PRETTY_NAME"
echo "kernel=$(cat /proc/sys/kernel/osrelease)"
echo "arch=$(dpkg --print-architecture 2>/dev/null)"
for package in proxmox-ve pve-manager proxmox-default-kernel; do
  echo "$package=$(dpkg-query --show --showformat='${db:Status-Status}' $package 2>/dev/null)"
done
running=$({
  timeout 20 qm list 2>/dev/null | awk '$3 == "running" { print $1 }'
  timeout 20 pct list 2>/dev/null | awk '$2 == "running" { print $1 }'
  for file in /run/qemu-server/*.pid; do
    [ ! -e "$file" ] || ! kill -0 "$(cat "$file")" 2>/dev/null || basename "$file" .pid
  done
  for dir in /sys/fs/cgroup/lxc/[0-9]*; do [ ! -d "$dir" ] || basename "$dir"; done
} | sort -un | tr '\n' ' ')
echo "running=$running"
"#;
/// The unit that goes on with a run after the restart.
const UNIT: &str = "/etc/systemd/system/hl-resume.service";

/// Makes a host a node.
#[derive(Debug, Clone, Copy)]
pub struct PveInstall;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The host, of `nodes/` or `hosts/` in the site.
    #[serde(default)]
    host: String,
    /// Its address, `[USER@]ADDRESS`.
    #[serde(default)]
    remote: String,
    /// This machine itself; as root where it is changed.
    #[serde(default)]
    local: bool,
    /// With `local`: a unit that goes on with the run after the restart, once.
    #[serde(default)]
    resume_at_boot: bool,
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

/// What a host is.
#[derive(Debug, Default)]
struct Seen(BTreeMap<String, String>);

impl Seen {
    fn read(ctx: &StepContext<'_>, target: &Target) -> Result<Self, StepError> {
        let text = target.look(ctx, "looking at what is installed", LOOK)?;
        let facts: BTreeMap<String, String> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Ok(Self(facts))
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn has(&self, package: &str) -> bool {
        self.get(package) == "installed"
    }

    /// One that still runs Debian's kernel is none yet.
    fn is_node(&self) -> bool {
        self.has("proxmox-ve") && self.has("pve-manager") && self.runs_its_kernel()
    }

    fn runs_its_kernel(&self) -> bool {
        self.get("kernel").contains("-pve")
    }

    /// The guests that a restart would stop.
    fn stopped_guests(&self) -> Vec<&str> {
        if self.runs_its_kernel() {
            return Vec::new();
        }
        self.get("running").split_whitespace().collect()
    }

    /// The Proxmox VE that it becomes.
    fn release(&self) -> Option<&'static str> {
        if self.get("id") != "debian" || self.get("arch") != "amd64" {
            return None;
        }
        match self.get("version") {
            "12" => Some("8"),
            "13" => Some("9"),
            _ => None,
        }
    }

    fn refused(&self, target: &Target) -> StepError {
        StepError::new(format!(
            "{} is {} ({}): Proxmox VE is installed on Debian 12 or 13, amd64, only",
            target.shown(),
            self.get("name"),
            self.get("arch")
        ))
        .exit(Exit::Runway)
        .help("nothing was changed; install one of these first")
    }
}

impl Action for PveInstall {
    fn about(&self) -> About {
        About::of::<Inputs>("pve.install")
            .doc("make Proxmox VE of Debian 12 or 13, with a restart; nothing on a node")
            .repeatable()
            .never("it looks at what is installed")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let (inputs, target, seen) = seen(ctx)?;
        if seen.is_node() {
            return Ok(Done::skipped(format!(
                "{} is a node already",
                target.shown()
            )));
        }
        check_syntax(ctx, &playbook(ctx, &target, PLAYBOOK)?)?;
        Ok(Done::new(lines(&inputs, &target, &seen).join("; ")))
    }

    fn approval(&self, ctx: &StepContext<'_>) -> Result<Option<Approval>, StepError> {
        let (inputs, target, seen) = seen(ctx)?;
        if seen.is_node() {
            return Ok(None);
        }
        let summary = lines(&inputs, &target, &seen);
        Ok(Some(ask(&target.name, &target.shown(), &seen, summary)))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let (inputs, target, seen) = seen(ctx)?;
        as_root(&target)?;
        if seen.is_node() {
            return Ok(Done::skipped(format!(
                "{} is a node already",
                target.shown()
            )));
        }
        let mut playbook = playbook(ctx, &target, PLAYBOOK)?;
        let mut variables = variables(ctx, &target)?;
        variables.insert("pve_reboot".to_owned(), json!(!target.is_here()));
        playbook.extra_files.push(write(ctx, &variables)?);
        let done = converge(ctx, &playbook)?;
        if target.is_here() {
            let seen = Seen::read(ctx, &target)?;
            if !seen.is_node() {
                return Err(restart(ctx, &inputs)?);
            }
            forget_unit(ctx)?;
        }
        let release = seen.release().unwrap_or_default();
        Ok(Done {
            summary: format!("Proxmox VE {release} is installed"),
            ..done
        })
    }
}

fn seen(ctx: &StepContext<'_>) -> Result<(Inputs, Target, Seen), StepError> {
    let inputs: Inputs = ctx.inputs()?;
    let target = Target::of(ctx, inputs.place())?;
    let seen = Seen::read(ctx, &target)?;
    if !seen.is_node() && seen.release().is_none() {
        return Err(seen.refused(&target));
    }
    Ok((inputs, target, seen))
}

/// What to ask. A restart that stops guests is a question of its own, which no `--yes`
/// answers: it was given before anybody knew of them.
fn ask(name: &str, shown: &str, seen: &Seen, summary: Vec<String>) -> Approval {
    let guests = seen.stopped_guests();
    let question = if guests.is_empty() {
        format!("make {shown} a node of Proxmox VE?")
    } else {
        format!(
            "this makes {shown} a node of Proxmox VE, and its restart stops {}: {}",
            count(guests.len(), "running guest"),
            guests.join(", ")
        )
    };
    Approval {
        summary,
        question,
        type_word: (!guests.is_empty()).then(|| name.to_owned()),
        in_person: !guests.is_empty(),
        exact: json!({
            "host": name,
            "from": seen.get("name"),
            "kernel": seen.runs_its_kernel(),
            "guests": guests,
        }),
    }
}

/// What would happen, in order.
fn lines(inputs: &Inputs, target: &Target, seen: &Seen) -> Vec<String> {
    let mut lines = vec![format!(
        "{} becomes Proxmox VE {}",
        seen.get("name"),
        seen.release().unwrap_or_default()
    )];
    if !seen.runs_its_kernel() {
        lines.push("its kernel is installed; Debian's stays in the boot menu".to_owned());
        lines.push(match (target.is_here(), inputs.resume_at_boot) {
            (false, _) => format!("{} is restarted", target.shown()),
            (true, true) => "you restart this machine, and the run goes on by itself".to_owned(),
            (true, false) => "you restart this machine, and resume the run".to_owned(),
        });
        let guests = seen.stopped_guests();
        if !guests.is_empty() {
            let (count, ids) = (count(guests.len(), "running guest"), guests.join(", "));
            lines.push(format!("the restart stops {count}: {ids}"));
        }
    }
    lines.push("its packages are installed".to_owned());
    lines
}

/// The run ends here, with all that was to be done so far.
fn restart(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<StepError, StepError> {
    // What a step says that was stopped is its message alone.
    let stopped = |then: &str| {
        StepError::new(format!(
            "the kernel is installed: restart this machine, then {then}"
        ))
        .cause(Cause::Cancelled)
    };
    if !inputs.resume_at_boot {
        let resume = format!("resume {}", ctx.run_id);
        return Ok(stopped("resume the run").help(say("after the restart: ").hl(resume)));
    }
    let exe = std::env::current_exe()
        .map_err(|cause| StepError::new(format!("cannot tell where `hl` is: {cause}")))?;
    let home = ctx.env.get("HOME").unwrap_or("/root");
    // It takes itself away first, so that it runs once however the run ends.
    let unit = format!(
        "[Unit]\nDescription=hl goes on with {id}\nAfter=network-online.target\nWants=network-online.target\n\n\
         [Service]\nType=oneshot\nWorkingDirectory={root}\nEnvironment=HOME={home}\n\
         ExecStartPre=/bin/systemctl disable hl-resume.service\nExecStartPre=/bin/rm -f {UNIT}\n\
         ExecStart={exe} resume {id} --yes\n\n[Install]\nWantedBy=multi-user.target\n",
        id = ctx.run_id,
        root = ctx.lab.paths.root(),
        exe = exe.display(),
    );
    lab::write(UNIT.into(), unit, 0o644)?;
    ctx.exec
        .run(
            &ChildSpec::new("systemctl", ["enable", "hl-resume.service"]),
            &mut |_| {},
        )?
        .check("systemctl enable hl-resume.service")?;
    Ok(stopped("`hl-resume.service` goes on with the run"))
}

/// A run that was gone on with by hand leaves no unit behind.
fn forget_unit(ctx: &StepContext<'_>) -> Result<(), StepError> {
    if !camino::Utf8Path::new(UNIT).exists() {
        return Ok(());
    }
    ctx.exec
        .run(
            &ChildSpec::new("systemctl", ["disable", "hl-resume.service"]),
            &mut |_| {},
        )?
        .check("systemctl disable hl-resume.service")?;
    std::fs::remove_file(UNIT).map_err(|error| StepError::io("remove", UNIT, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(facts: &[(&str, &str)]) -> Seen {
        let facts = facts.iter();
        Seen(
            facts
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn only_two_releases_become_nodes() {
        let of = |id, version, arch| host(&[("id", id), ("version", version), ("arch", arch)]);
        assert_eq!(of("debian", "12", "amd64").release(), Some("8"));
        assert_eq!(of("debian", "13", "amd64").release(), Some("9"));
        assert_eq!(of("debian", "11", "amd64").release(), None);
        assert_eq!(of("debian", "13", "arm64").release(), None);
        assert_eq!(of("ubuntu", "12", "amd64").release(), None);
        assert_eq!(of("debian", "none", "amd64").release(), None);
    }

    #[test]
    fn a_half_made_node_is_none() {
        let seen = host(&[("proxmox-ve", "unpacked"), ("pve-manager", "installed")]);
        assert!(!seen.is_node());
    }

    #[test]
    fn a_node_that_was_never_restarted_is_none() {
        let of = |kernel| {
            host(&[
                ("proxmox-ve", "installed"),
                ("pve-manager", "installed"),
                ("kernel", kernel),
            ])
            .is_node()
        };
        assert!(!of("6.1.0-30-amd64"));
        assert!(of("6.8.12-4-pve"));
    }

    #[test]
    fn a_restart_that_stops_guests_is_asked_for_by_itself() {
        let asked = |kernel, running| {
            let seen = host(&[("kernel", kernel), ("running", running)]);
            ask("heron", "`heron`", &seen, Vec::new())
        };
        let none = asked("6.1.0-30-amd64", "");
        assert!(!none.in_person && none.type_word.is_none());
        let one = asked("6.1.0-30-amd64", "100");
        assert!(one.in_person);
        assert_eq!(one.type_word.as_deref(), Some("heron"));
        assert!(
            one.question.ends_with("stops 1 running guest: 100"),
            "{}",
            one.question
        );
        let two = asked("6.1.0-30-amd64", "100 101");
        assert!(two.question.ends_with("2 running guests: 100, 101"));
        // Without a restart they run on.
        assert!(!asked("6.8.12-4-pve", "100").in_person);
    }
}
