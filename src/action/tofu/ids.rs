//! Ids for machines whose environment names none: a machine keeps the one that
//! it has, a new one gets the lowest that is free.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::Utf8Path;
use serde::Deserialize;

use super::workspace::{VARIABLES, built};
use crate::action::StepContext;
use crate::diag::StepError;
use crate::pve;
use crate::site::{Env, Vm};
use crate::tofu::{state, state::State};

/// The lowest that Proxmox VE gives.
const FIRST: u32 = 100;

/// Held from choosing ids to having written them down: environments are
/// planned at once, and none may take another's. Other processes are kept out
/// by the lab's lock.
static ONE_CHOOSES: Mutex<()> = Mutex::new(());

/// Keeps others from choosing while it lives.
pub(in crate::action) fn choosing() -> MutexGuard<'static, ()> {
    // It guards no data that a panic could have left half-made.
    ONE_CHOOSES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives every machine an id.
pub(in crate::action) fn fill(
    ctx: &StepContext<'_>,
    env: &mut Env,
    state: &State,
    key: &str,
) -> Result<(), StepError> {
    keep(env, state);
    if env.vms.iter().all(|vm| vm.vmid.is_some()) {
        return Ok(());
    }
    let client = ctx.pve()?;
    let on_node = client.cluster_resources_vms()?;
    let mut taken: BTreeSet<u32> = on_node.iter().map(|vm| vm.vmid).collect();
    for (_, other) in state::all(&ctx.lab.paths.states()) {
        taken.extend(other.vms.values().filter_map(|vm| vm.vmid));
    }
    taken.extend(planned(&built(&ctx.lab.paths), key));
    choose(env, &mut taken, |id| is_free(&client, id))
}

/// Whether no machine has an id: what the token may not see is not listed, but
/// its id is taken.
pub(in crate::action) fn is_free(client: &pve::Client, id: u32) -> Result<bool, StepError> {
    match client.get::<serde_json::Value>("cluster/nextid", &[("vmid", &id.to_string())]) {
        Ok(_) => Ok(true),
        Err(pve::Error::Api { status: 400, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Ids of machines that exist stay.
fn keep(env: &mut Env, state: &State) {
    for vm in env.vms.iter_mut().filter(|vm| vm.vmid.is_none()) {
        vm.vmid = state.vms.get(&vm.name).and_then(|known| known.vmid);
    }
}

fn choose(
    env: &mut Env,
    taken: &mut BTreeSet<u32>,
    is_free: impl Fn(u32) -> Result<bool, StepError>,
) -> Result<(), StepError> {
    taken.extend(env.vms.iter().filter_map(|vm| vm.vmid));
    let mut next = FIRST;
    let open = |vm: &&mut Vm| vm.vmid.is_none();
    for vm in env.vms.iter_mut().filter(open) {
        while taken.contains(&next) || !is_free(next)? {
            next += 1;
        }
        vm.vmid = Some(next);
        next += 1;
    }
    Ok(())
}

/// Ids that another environment or manifest has written down and perhaps not made
/// yet. Those of `own`, and of what is below it, are not another's.
fn planned(build: &Utf8Path, own: &str) -> BTreeSet<u32> {
    #[derive(Deserialize)]
    struct Vars {
        vms: BTreeMap<String, Planned>,
        #[serde(default)]
        containers: BTreeMap<String, Planned>,
    }
    #[derive(Deserialize)]
    struct Planned {
        vmid: u32,
    }
    let is_own = |key: &str| {
        let rest = key.strip_prefix(own);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let keys = state::keys(build).into_iter();
    keys.filter(|key| !is_own(key))
        .filter_map(|key| std::fs::read(build.join(key).join(VARIABLES)).ok())
        .filter_map(|text| serde_json::from_slice::<Vars>(&text).ok())
        .flat_map(|vars| vars.vms.into_values().chain(vars.containers.into_values()))
        .map(|machine| machine.vmid)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::{Ip, MachineKind};
    use crate::tofu::summary;

    fn env(ids: &[Option<u32>]) -> Env {
        let vm = |(index, vmid): (usize, &Option<u32>)| Vm {
            name: format!("vm-{index}"),
            kind: MachineKind::Vm,
            image: "i".to_owned(),
            vmid: *vmid,
            cores: 1,
            memory: 1024,
            disk: 10,
            ip: Ip::Dhcp,
            gateway: None,
            bridge: None,
            tags: Vec::new(),
            groups: Vec::new(),
            packages: Vec::new(),
            features: Vec::new(),
        };
        Env {
            name: "dev".to_owned(),
            vms: ids.iter().enumerate().map(vm).collect(),
        }
    }

    #[test]
    fn a_machine_keeps_its_id_and_a_new_one_gets_what_nobody_has() {
        let mut wanted = env(&[None, Some(102), None, None]);
        let mut state = State::default();
        let known = summary::Vm {
            vmid: Some(7000),
            ..summary::Vm::default()
        };
        state.vms.insert("vm-2".to_owned(), known);
        keep(&mut wanted, &state);
        let mut taken = [100].into();
        choose(&mut wanted, &mut taken, |id| Ok(id != 103)).unwrap();
        let ids: Vec<_> = wanted.vms.iter().map(|vm| vm.vmid.unwrap()).collect();
        assert_eq!(ids, [101, 102, 7000, 104]);
    }

    #[test]
    fn what_others_wrote_down_counts() {
        let dir = tempfile::tempdir().unwrap();
        let build = Utf8Path::from_path(dir.path()).unwrap();
        for (key, id) in [("a-pve", 101), ("b-pve", 102)] {
            let text = format!(r#"{{"env": "x", "vms": {{"m": {{"vmid": {id}, "x": 1}}}}}}"#);
            std::fs::create_dir_all(build.join(key)).unwrap();
            std::fs::write(build.join(key).join("terraform.tfvars.json"), text).unwrap();
        }
        let text = r#"{"vms": {}, "containers": {"m": {"vmid": 103}}}"#;
        std::fs::create_dir_all(build.join("c-pve")).unwrap();
        std::fs::write(build.join("c-pve/terraform.tfvars.json"), text).unwrap();
        assert_eq!(planned(build, "a-pve"), [102, 103].into());
        let text = r#"{"env": "m", "vms": {"web": {"vmid": 104}}}"#;
        std::fs::create_dir_all(build.join("m/pve/web")).unwrap();
        std::fs::write(build.join("m/pve/web/terraform.tfvars.json"), text).unwrap();
        assert_eq!(planned(build, "a-pve"), [102, 103, 104].into());
        assert_eq!(planned(build, "m/pve"), [101, 102, 103].into());
        assert!(planned(&build.join("none"), "x").is_empty());
    }
}
