//! The action: are machines known, are they there, do they answer?
//!
//! It fails fast where waiting changes nothing. A machine that was started a
//! moment ago, as L2 has just done in `hl up`, is no failure: `ssh.wait` waits
//! for it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::Deserialize;

use super::answer::{PORT, answers};
use super::fate::{Fate, fates};
use super::half_made::half_made;
use super::peer;
use super::remedy::{NAME, Remedy};
use crate::action::limit::is_meant;
use crate::action::tofu::{Machine, Records, records};
use crate::action::{About, Action, Done, StepContext};
use crate::base::{count, ticked};
use crate::diag::StepError;
use crate::diag::{Advice, Exit, say};

/// Where the node cannot be asked, machines may be booting for so long after
/// the state was last written.
const FRESH: Duration = Duration::from_mins(10);

/// `machines.check`
#[derive(Debug, Clone, Copy)]
pub struct Reconcile;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Environment.
    #[schemars(length(max = 100))]
    env: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// Hosts or groups, comma-separated; empty for all. Patterns that only
    /// ansible understands stand for all.
    #[serde(default)]
    limit: String,
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    /// Machines that answer.
    good: usize,
    /// Machines that are booting: a later step waits for them.
    booting: Vec<String>,
    /// What is wrong.
    wrong: Vec<String>,
    /// What helps, before the two commands.
    help: Vec<Advice>,
}

impl Action for Reconcile {
    fn about(&self) -> About {
        About::of::<Inputs>(NAME)
            .doc(
                "checks that what L2 made is still there and answers; fails with the \
                 commands that help",
            )
            .checks()
    }

    /// What a live run would stop at is a warning: an earlier step of the plan
    /// may be about to make it.
    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let Some(found) = look(ctx, &inputs)? else {
            return Ok(Done::not_planned(none(&inputs) + ", L2 would make them"));
        };
        let mut done = Done::new(summary(&found));
        let [again, _] = Remedy::new(&inputs.env, &inputs.node).help();
        for wrong in found.wrong {
            let then = say(format!(
                "{wrong}; a live run stops here unless L2 runs first: "
            ));
            done = done.warn(then.and(again.clone()));
        }
        Ok(done)
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let remedy = Remedy::new(&inputs.env, &inputs.node);
        let fails = |message: String, first: Vec<Advice>| {
            let mut error = StepError::new(message).exit(Exit::Runway);
            error.help = first;
            error.help.extend(remedy.help());
            Err(error)
        };
        let Some(found) = look(ctx, &inputs)? else {
            return fails(none(&inputs), Vec::new());
        };
        if !found.wrong.is_empty() {
            return fails(found.wrong.join("; "), found.help);
        }
        for name in &found.booting {
            ctx.note(format!("`{name}` is booting: it is waited for"));
        }
        Ok(Done::new(summary(&found)).changed(false))
    }
}

fn none(inputs: &Inputs) -> String {
    format!(
        "`{}` has no machines on `{}`: its state holds none",
        inputs.env, inputs.node
    )
}

fn summary(found: &Found) -> String {
    let count = |number: usize| count(number, "machine");
    let mut parts = Vec::new();
    if found.good > 0 || (found.booting.is_empty() && found.wrong.is_empty()) {
        parts.push(format!("{} there", count(found.good)));
    }
    if !found.booting.is_empty() {
        parts.push(format!("{} booting", count(found.booting.len())));
    }
    if !found.wrong.is_empty() {
        parts.push(format!("{} to be looked at", found.wrong.len()));
    }
    parts.join(", ")
}

/// Looks at everything; `None` when the environment wants machines and the
/// state holds none.
fn look(ctx: &StepContext<'_>, inputs: &Inputs) -> Result<Option<Found>, StepError> {
    let mut found = Found::default();
    let (machines, written) = match records(ctx, &inputs.env, &inputs.node)? {
        Records::None => return Ok(None),
        Records::Unwanted => return Ok(Some(found)),
        Records::Known { machines, written } => (machines, written),
    };
    if let Some(peer) = &ctx.lab.config.network.vpn_peer {
        if ctx.lab.paths.is_rehearsal() {
            ctx.note(format!("the VPN peer `{peer}` is not part of a rehearsal"));
        } else if let Err(why) = peer::answers(peer, ctx.cancel)? {
            found
                .wrong
                .push(format!("the VPN peer `{peer}` does not answer: {why}"));
            found.help.push("connect the VPN first, then run it again; or correct `vpn_peer` in `[network]` of `hl.toml`".into());
            // Without the way there, what does not answer proves nothing.
            return Ok(Some(found));
        }
    }
    let wanted: BTreeMap<&str, &Machine> = machines
        .iter()
        .filter(|(name, machine)| {
            let in_group = |group: &str| machine.groups.iter().any(|own| own == group);
            is_meant(&inputs.limit, name, in_group)
        })
        .map(|(name, machine)| (name.as_str(), machine))
        .collect();
    if wanted.is_empty() && !machines.is_empty() {
        found.wrong.push(format!(
            "no machine of `{}` on `{}` is in `--limit {}`: its state holds {}",
            inputs.env,
            inputs.node,
            inputs.limit,
            ticked(machines.keys())
        ));
        return Ok(Some(found));
    }
    ctx.progress(format!("looking for {}", count(wanted.len(), "machine")));
    let fates = fates(ctx, &wanted)?;
    for left in half_made(ctx) {
        ctx.warn(left);
    }
    let there: Vec<&str> = wanted
        .keys()
        .copied()
        .filter(|name| !matches!(fates.get(name), Some(Fate::Gone | Fate::Stopped)))
        .collect();
    let addresses: Vec<&str> = there
        .iter()
        .filter_map(|name| wanted.get(name).map(|machine| machine.address.as_str()))
        .collect();
    let answers = answers(&addresses, PORT, ctx.cancel)?;
    let answers: BTreeMap<&str, Result<(), String>> = there.into_iter().zip(answers).collect();
    let fresh = is_fresh(written);
    for (name, machine) in &wanted {
        judge(
            name,
            machine,
            fates.get(name),
            answers.get(name),
            fresh,
            &mut found,
        );
    }
    Ok(Some(found))
}

fn judge(
    name: &str,
    machine: &Machine,
    fate: Option<&Fate>,
    answer: Option<&Result<(), String>>,
    fresh: bool,
    found: &mut Found,
) {
    let words = machine.words(name);
    match (fate, answer) {
        (Some(Fate::Gone), _) => found.wrong.push(format!("{words} is gone from the node")),
        (Some(Fate::Stopped), _) => found.wrong.push(format!("{words} is stopped")),
        (_, Some(Ok(()))) => found.good += 1,
        (Some(Fate::Booting), _) => found.booting.push(name.to_owned()),
        (Some(Fate::Unknown(_)), _) if fresh => found.booting.push(name.to_owned()),
        (_, answer) => {
            let why = match answer {
                Some(Err(why)) => why.as_str(),
                Some(Ok(())) | None => "not asked",
            };
            let address = &machine.address;
            found.wrong.push(format!(
                "{words} does not answer at {address}, port {PORT}: {why}"
            ));
            let help = say(
                "is the way there open (VPN, route, firewall)? the machine's console on the node shows whether it runs",
            );
            if !found.help.contains(&help) {
                found.help.push(help);
            }
            if let Some(Fate::Unknown(why)) = fate {
                let help = say(format!("the node could not be asked about it: {why}"));
                if !found.help.contains(&help) {
                    found.help.push(help);
                }
            }
        }
    }
}

fn is_fresh(written: Option<SystemTime>) -> bool {
    written
        .and_then(|written| written.elapsed().ok())
        .is_some_and(|age| age < FRESH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pve::GuestKind;

    fn machine() -> Machine {
        Machine {
            vmid: 5101,
            kind: GuestKind::Vm,
            node: "pve".to_owned(),
            address: "127.0.0.9".to_owned(),
            addresses: Vec::new(),
            macs: Vec::new(),
            groups: vec!["web".to_owned()],
            tags: Vec::new(),
            user: "ops".to_owned(),
        }
    }

    fn judged(fate: &Fate, answers: bool, fresh: bool) -> (usize, usize, String) {
        let mut found = Found::default();
        let answer = if answers {
            Ok(())
        } else {
            Err("timed out".to_owned())
        };
        judge(
            "web-1",
            &machine(),
            Some(fate),
            Some(&answer),
            fresh,
            &mut found,
        );
        (found.good, found.booting.len(), found.wrong.join("; "))
    }

    #[test]
    fn what_waiting_does_not_change_is_told_at_once() {
        let unknown = Fate::Unknown("x".to_owned());
        let fine = (1, 0, String::new());
        for fate in [&Fate::Running, &Fate::Booting, &unknown] {
            assert_eq!(judged(fate, true, false), fine, "{fate:?}");
        }
        let boots = (0, 1, String::new());
        assert_eq!(judged(&Fate::Booting, false, false), boots);
        assert_eq!(judged(&unknown, false, true), boots);
        for (fate, fresh, says) in [
            (&Fate::Gone, true, "is gone from the node"),
            (&Fate::Stopped, true, "is stopped"),
            (
                &Fate::Running,
                true,
                "does not answer at 127.0.0.9, port 22: timed out",
            ),
            (&unknown, false, "does not answer"),
        ] {
            let (good, booting, wrong) = judged(fate, false, fresh);
            assert_eq!((good, booting), (0, 0));
            assert!(wrong.starts_with("`web-1` (VM 5101 on `pve`) "), "{wrong}");
            assert!(wrong.contains(says), "{wrong}");
        }
    }
}
