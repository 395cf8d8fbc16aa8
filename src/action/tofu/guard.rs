//! What must hold before a plan is applied. The provider would adopt a machine
//! that has the id already, and leaves a broken one behind when the template's
//! disk does not fit (measured); an address in use breaks both machines.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use super::ids::is_free;
use crate::action::at_once::at_once;
use crate::action::probe::refusal_counts;
use crate::action::{ChildSpec, StepContext};
use crate::diag::StepError;
use crate::diag::{Advice, Exit, hl, say};
use crate::pve;
use crate::site::Cidr;
use crate::tofu::{state, state::State};
use crate::tofu::{summary::Change, summary::Kind, summary::Summary, summary::Vm};

/// How long an address may take to show that somebody has it.
const PROBE: Duration = Duration::from_secs(1);

/// What stands in the way of a plan.
#[derive(Debug, Default, PartialEq)]
struct Problems {
    messages: Vec<String>,
    help: Vec<Advice>,
}

impl Problems {
    fn add(&mut self, message: String, help: impl Into<Advice>) {
        self.messages.push(message);
        self.add_help(help);
    }

    fn add_help(&mut self, help: impl Into<Advice>) {
        let help = help.into();
        if !self.help.contains(&help) {
            self.help.push(help);
        }
    }

    fn into_result(self) -> Result<(), StepError> {
        let message = match self.messages.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            many => format!("{} checks failed", many.len()),
        };
        let mut error = StepError::new(message).exit(Exit::Runway).says_all();
        if self.messages.len() > 1 {
            error = error.tail(self.messages);
        }
        error.help = self.help;
        Err(error)
    }
}

/// Checks a plan against the node. Only reads.
pub(super) fn check(
    ctx: &StepContext<'_>,
    summary: &Summary,
    key: &str,
    state: &State,
) -> Result<(), StepError> {
    let mut problems = Problems::default();
    shrinks(summary, &mut problems);
    handovers(summary, state, &mut problems);
    let new: Vec<(&Change, &Vm)> = summary.made().collect();
    if !new.is_empty() {
        let client = ctx.pve()?;
        let resources = client.cluster_resources_vms()?;
        let states = state::all(&ctx.lab.paths.states());
        for (change, vm) in &new {
            ids(
                &client,
                &resources,
                (key, &states),
                change,
                vm,
                &mut problems,
            )?;
        }
        let mut seen = BTreeSet::new();
        for (change, vm) in &new {
            if let Some(found) = template(&client, summary, change, vm)?
                && seen.insert(found.0.clone())
            {
                problems.add(found.0, found.1);
            }
        }
    }
    addresses(ctx, summary, &mut problems)?;
    problems.into_result()
}

/// Proxmox cannot make a disk smaller.
fn shrinks(summary: &Summary, problems: &mut Problems) {
    for change in summary.of(Kind::Change) {
        let disks = (&change.before, &change.after);
        if let (Some(before), Some(after)) = disks
            && let (Some(old), Some(new)) = (before.disk, after.disk)
            && new < old
        {
            let name = &change.name;
            problems.add(
                format!(
                    "disk of `{name}` would shrink from {old} to {new} GB, which Proxmox cannot do"
                ),
                format!(
                    "give `{name}` at least `disk: {old}`, or renew it with `--replace {name}`"
                ),
            );
        }
    }
}

/// A vmid that goes from one machine of the state to another: nothing makes
/// tofu destroy the one before it makes the other.
fn handovers(summary: &Summary, state: &State, problems: &mut Problems) {
    for (change, vm) in summary.made() {
        let Some(vmid) = vm.vmid else { continue };
        if let Some((holder, _)) = state.with_vmid(vmid)
            && holder != change.name
        {
            let name = &change.name;
            problems.add(
                format!("vmid {vmid} of `{name}` is still held by `{holder}`, which this environment made"),
                format!("give `{name}` a vmid of its own, or remove `{holder}`, apply, and then add `{name}`"),
            );
        }
    }
}

/// A vmid that something outside the state has.
fn ids(
    client: &pve::Client,
    resources: &[pve::Vm],
    (key, states): (&str, &[(String, State)]),
    change: &Change,
    vm: &Vm,
    problems: &mut Problems,
) -> Result<(), StepError> {
    let Some(vmid) = vm.vmid else { return Ok(()) };
    let name = &change.name;
    if change.before.as_ref().and_then(|before| before.vmid) == Some(vmid) {
        return Ok(());
    }
    let elsewhere = states
        .iter()
        .filter(|(other, _)| other != key)
        .find(|(_, state)| state.with_vmid(vmid).is_some());
    let file = if key.contains('/') {
        "the manifest"
    } else {
        "the environment's file"
    };
    let other_id = format!("give `{name}` another vmid in {file}");
    if let Some(found) = resources.iter().find(|found| found.vmid == vmid) {
        let what = found.name.as_deref().unwrap_or("without a name");
        let (node, program) = (&found.node, found.guest().program());
        if let Some((other, _)) = elsewhere {
            problems.add(
                format!("vmid {vmid} of `{name}` is held by `{what}` on `{node}`, which belongs to `{other}`"),
                other_id,
            );
            return Ok(());
        }
        problems.add(
            format!(
                "vmid {vmid} of `{name}` is held by `{what}` on `{node}`, which is in no state"
            ),
            say("if an interrupted run left it behind, look at it and remove it: ")
                .on_node(node, format!("{program} destroy {vmid} --purge")),
        );
        problems.add_help(other_id);
        return Ok(());
    }
    if !is_free(client, vmid)? {
        problems.add(
            format!("vmid {vmid} of `{name}` is held by something that the token may not see"),
            hl("l0-runway").say(" checks the token's rights"),
        );
        problems.add_help(other_id);
    }
    Ok(())
}

/// The template must be there, be one, and fit: problem and help.
fn template(
    client: &pve::Client,
    summary: &Summary,
    change: &Change,
    vm: &Vm,
) -> Result<Option<(String, Advice)>, StepError> {
    let Some((vmid, node)) = &vm.template else {
        return Ok(None);
    };
    let node = node.as_deref().unwrap_or(&vm.node);
    let name = &change.name;
    let image = summary.images.get(name).map_or("NAME", String::as_str);
    let build = hl(format!("l1-template {image}")).say(" builds it again");
    let config = match client.vm_config(node, *vmid) {
        Ok(config) => config,
        Err(error) if error.is_not_found() => {
            let message = format!("template `{image}` (VM {vmid}) is not on `{node}`");
            return Ok(Some((message, build)));
        }
        Err(error) => return Err(error.into()),
    };
    if !config.is_template() {
        let message =
            format!("VM {vmid} on `{node}`, recorded as template `{image}`, is no template");
        return Ok(Some((message, build)));
    }
    let Some(drive) = config.text("scsi0") else {
        let message = format!("template `{image}` (VM {vmid}) has no disk `scsi0`");
        return Ok(Some((message, build)));
    };
    if let (Some(has), Some(wants)) = (drive_size(&drive), vm.disk)
        && wants.saturating_mul(GIB) < has
    {
        let least = has.div_ceil(GIB);
        return Ok(Some((
            format!(
                "disk of `{name}` has {wants} GB, less than the {least} GB of template `{image}`"
            ),
            say(format!("give `{name}` at least `disk: {least}`")),
        )));
    }
    Ok(None)
}

const GIB: u64 = 1 << 30;

/// Bytes of `local-lvm:base-9000-disk-0,size=3G`.
fn drive_size(drive: &str) -> Option<u64> {
    let size = drive
        .split(',')
        .find_map(|option| option.strip_prefix("size="))?;
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match size.strip_prefix(digits)? {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Static addresses that become a machine's own and answer already.
fn addresses(
    ctx: &StepContext<'_>,
    summary: &Summary,
    problems: &mut Problems,
) -> Result<(), StepError> {
    let wanted: Vec<(&str, IpAddr)> = summary
        .changes
        .iter()
        .filter_map(|change| {
            let after = change.after.as_ref()?.address.as_deref()?;
            let before = change.before.as_ref().and_then(|vm| vm.address.as_deref());
            let cidr: Cidr = after.parse().ok()?;
            (before != Some(after)).then_some((change.name.as_str(), cidr.address.into()))
        })
        .collect();
    let answers = at_once(&wanted, wanted.len(), |(_, address)| {
        answers(SocketAddr::new(*address, 22), refusal_counts(*address))
    });
    for ((name, address), answered) in wanted.iter().zip(answers) {
        let answered = answered || (refusal_counts(*address) && pings(ctx, *address));
        if answered {
            problems.add(
                format!("address {address} of `{name}` answers already"),
                format!("find out who has {address}, or give `{name}` another `ip`"),
            );
        }
        if ctx.cancel.is_cancelled() {
            return Err(crate::base::Cancelled.into());
        }
    }
    Ok(())
}

/// Whether anybody takes or refuses a connection.
fn answers(address: SocketAddr, refusal_counts: bool) -> bool {
    match TcpStream::connect_timeout(&address, PROBE) {
        Ok(_) => true,
        Err(error) => refusal_counts && error.kind() == std::io::ErrorKind::ConnectionRefused,
    }
}

/// Whether it answers a ping, where there is a `ping`.
fn pings(ctx: &StepContext<'_>, address: IpAddr) -> bool {
    let ping = ChildSpec::new("ping", ["-n", "-c", "1", "-W", "1", &address.to_string()]);
    ctx.exec.capture(&ping).is_ok_and(|answer| answer.code == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, kind: Kind, before: Option<Vm>, after: Option<Vm>) -> Change {
        Change {
            address: name.to_owned(),
            name: name.to_owned(),
            kind,
            before,
            after,
            details: Vec::new(),
        }
    }

    fn vm(vmid: u32, disk: u64) -> Vm {
        Vm {
            vmid: Some(vmid),
            disk: Some(disk),
            ..Vm::default()
        }
    }

    #[test]
    fn a_shrinking_disk_is_told_and_a_growing_one_is_not() {
        let summary = Summary {
            changes: vec![
                change("a", Kind::Change, Some(vm(1, 20)), Some(vm(1, 10))),
                change("b", Kind::Change, Some(vm(2, 10)), Some(vm(2, 20))),
            ],
            ..Summary::default()
        };
        let mut problems = Problems::default();
        shrinks(&summary, &mut problems);
        assert_eq!(problems.messages.len(), 1);
        assert!(problems.messages[0].contains("`a` would shrink from 20 to 10 GB"));
    }

    #[test]
    fn a_renamed_machine_does_not_take_over_its_id() {
        let mut state = State::default();
        state.vms.insert("old".to_owned(), vm(5101, 10));
        let summary = Summary {
            changes: vec![
                change("old", Kind::Destroy, Some(vm(5101, 10)), None),
                change("new", Kind::Add, None, Some(vm(5101, 10))),
                change(
                    "kept",
                    Kind::Replace,
                    Some(vm(5102, 10)),
                    Some(vm(5102, 10)),
                ),
            ],
            ..Summary::default()
        };
        let mut problems = Problems::default();
        handovers(&summary, &state, &mut problems);
        let error = problems.into_result().unwrap_err();
        assert!(
            error
                .message
                .contains("5101 of `new` is still held by `old`"),
            "{error}"
        );
        assert_eq!(error.exit, Exit::Runway);
    }

    #[test]
    fn several_problems_are_told_together() {
        let mut problems = Problems::default();
        problems.add("one".to_owned(), "x");
        problems.add("two".to_owned(), "x");
        let error = problems.into_result().unwrap_err();
        assert_eq!(error.tail, ["one", "two"]);
        assert_eq!(error.help, [say("x")]);
        assert!(Problems::default().into_result().is_ok());
    }

    #[test]
    fn sizes_of_drives() {
        let size = |text: &str| drive_size(&format!("local-lvm:base-9000-disk-0,{text}"));
        assert_eq!(size("size=3G"), Some(3 * GIB));
        assert_eq!(size("cache=none,size=3584M,ssd=1"), Some(3584 << 20));
        assert_eq!(size("size=1073741824"), Some(GIB));
        assert_eq!(size("iothread=1"), None);
        assert_eq!(size("size=xG"), None);
    }

    #[test]
    fn who_listens_answers_and_a_refusal_counts_where_addresses_are_real() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(answers(address, false));
        let (_closed, address) = crate::base::closed_port();
        assert!(!answers(address, false));
        assert!(answers(address, true));
    }
}
