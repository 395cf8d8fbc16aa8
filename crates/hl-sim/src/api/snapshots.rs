//! Snapshots of VMs and containers, and what their disks can do.

use serde_json::{Value, json};

use crate::call::{Answer, Call, GuestId};
use crate::error::{ApiError, bail};
use crate::feature::{self, Feature};
use crate::fields;
use crate::kind::Kind::{Bool, Enum, Like, Text};
use crate::locks::Hold;
use crate::machine::{Sim, TaskLog};
use crate::names;
use crate::params::{Param, opt, req};
use crate::route::{Route, on_ct, on_vm};
use crate::show;
use crate::snapshot::{self, Wish};
use crate::vm::{self, GuestKind, Snapshot};

const NAME: Param = req("snapname", Like(names::snapshot));

const CREATE: &[Param] = &[NAME, opt("description", Text), opt("vmstate", Bool)];
const CREATE_CT: &[Param] = &[NAME, opt("description", Text)];
const DESCRIBE: &[Param] = &[opt("description", Text)];
const DELETE: &[Param] = &[opt("force", Bool)];
const ROLLBACK: &[Param] = &[opt("start", Bool)];
const FEATURE: &[Param] = &[
    req("feature", Enum(&["snapshot", "clone", "copy"])),
    opt("snapname", Like(names::snapshot)),
];

const VM: &str = "/vms/{vmid}";
const WRITE: &[&str] = &["VM.Snapshot"];
const GO_BACK: &[&str] = &["VM.Snapshot", "VM.Snapshot.Rollback"];
const READ: &[&str] = &["VM.Snapshot", "VM.Snapshot.Rollback", "VM.Audit"];
const AUDIT: &[&str] = &["VM.Audit"];

pub(super) const ROUTES: &[Route] = &[
    on_vm("GET", "snapshot", &[], list).needs(VM, AUDIT),
    on_vm("POST", "snapshot", CREATE, create).needs(VM, WRITE),
    on_vm("GET", "snapshot/{snapname}", &[], index),
    on_vm("DELETE", "snapshot/{snapname}", DELETE, delete).needs(VM, WRITE),
    on_vm("GET", "snapshot/{snapname}/config", &[], config).needs(VM, READ),
    on_vm("PUT", "snapshot/{snapname}/config", DESCRIBE, describe).needs(VM, WRITE),
    on_vm("POST", "snapshot/{snapname}/rollback", ROLLBACK, rollback).needs(VM, GO_BACK),
    on_vm("GET", "feature", FEATURE, has_feature).needs(VM, AUDIT),
    on_ct("GET", "snapshot", &[], list).needs(VM, AUDIT),
    on_ct("POST", "snapshot", CREATE_CT, create).needs(VM, WRITE),
    on_ct("GET", "snapshot/{snapname}", &[], index),
    on_ct("DELETE", "snapshot/{snapname}", DELETE, delete).needs(VM, WRITE),
    on_ct("GET", "snapshot/{snapname}/config", &[], config).needs(VM, READ),
    on_ct("PUT", "snapshot/{snapname}/config", DESCRIBE, describe).needs(VM, WRITE),
    on_ct("POST", "snapshot/{snapname}/rollback", ROLLBACK, rollback).needs(VM, GO_BACK),
    on_ct("GET", "feature", FEATURE, has_feature).needs(VM, AUDIT),
];

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let vm = call.vm(&world)?;
    let mut found: Vec<Value> = Vec::new();
    for (name, snapshot) in &vm.snapshots {
        let text = |key: &str| fields::text(snapshot, key);
        let mut line = json!({
            "name": name,
            "snaptime": text("snaptime").parse::<i64>().unwrap_or(0),
            "description": text("description"),
        });
        if vm.kind == GuestKind::Qemu {
            line["vmstate"] = json!(u8::from(snapshot.contains_key("vmstate")));
        }
        for key in ["parent", "snapstate"] {
            if let Some(value) = snapshot.get(key) {
                line[key] = json!(value);
            }
        }
        found.push(line);
    }
    let mut now = json!({
        "name": "current", "description": "You are here!", "digest": vm.digest(),
        "running": u8::from(vm.run.is_some()),
    });
    if let Some(parent) = vm.config.get("parent") {
        now["parent"] = json!(parent);
    }
    found.push(now);
    Ok(Value::Array(found))
}

fn create(call: &Call<'_>) -> Answer {
    let name = call.params.must("snapname")?.to_owned();
    let reserved = call.kind.pick("pending", "vzdump");
    if name == "current" || name == reserved {
        bail!("unable to use snapshot name '{name}' (reserved name)");
    }
    let wish = Wish {
        name,
        description: call.params.text("description").map(str::to_owned),
        memory: call.params.is_set("vmstate"),
    };
    task(call, ("qmsnapshot", "vzsnapshot"), move |sim, _, guest| {
        snapshot::create(sim, guest, &wish)
    })
}

fn index(_: &Call<'_>) -> Answer {
    Ok(json!([{"cmd": "rollback"}, {"cmd": "config"}]))
}

fn delete(call: &Call<'_>) -> Answer {
    let name = call.part("snapname").to_owned();
    let force = call.params.is_set("force");
    task(
        call,
        ("qmdelsnapshot", "vzdelsnapshot"),
        move |sim, _, guest| snapshot::delete(sim, guest, &name, force),
    )
}

fn rollback(call: &Call<'_>) -> Answer {
    let name = call.part("snapname").to_owned();
    let start = call.params.is_set("start");
    task(call, ("qmrollback", "vzrollback"), move |sim, _, guest| {
        snapshot::rollback(sim, guest, &name, start)
    })
}

/// Starts a task on the guest of the path, which it holds alone.
fn task(
    call: &Call<'_>,
    kinds: (&'static str, &'static str),
    work: impl FnOnce(&std::sync::Arc<Sim>, &TaskLog<'_>, &GuestId) -> Result<(), ApiError>
    + Send
    + 'static,
) -> Answer {
    let guest = call.guest()?;
    let holds = vec![(guest.vmid, Hold::Alone)];
    let kind = call.kind.pick(kinds.0, kinds.1);
    call.task(kind, guest.vmid.to_string(), holds, move |sim, log| {
        work(sim, log, &guest)
    })
}

fn config(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let snapshot = snapshot::find(call.vm(&world)?, call.part("snapname"))?;
    let mut fields = show::config(snapshot);
    if let Some(time) = snapshot
        .get("snaptime")
        .and_then(|text| text.parse::<i64>().ok())
    {
        fields.insert("snaptime".to_owned(), json!(time));
    }
    Ok(Value::Object(fields))
}

fn describe(call: &Call<'_>) -> Answer {
    let guest = call.guest()?;
    let name = call.part("snapname");
    call.sim.change(|world| {
        let vm = guest.find_mut(world)?;
        snapshot::find(vm, name)?;
        let snapshot = vm.snapshots.get_mut(name);
        if let (Some(snapshot), Some(text)) = (snapshot, call.params.text("description")) {
            snapshot.insert("description".to_owned(), text.to_owned());
        }
        Ok(Value::Null)
    })
}

fn has_feature(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let vm = call.vm(&world)?;
    let wanted = Feature::of(call.params.must("feature")?);
    let name = call.params.text("snapname");
    let config: &Snapshot = match name {
        Some(name) => snapshot::find(vm, name)?,
        None => &vm.config,
    };
    let volids = vm::disks(vm.kind, config);
    let has = volids
        .iter()
        .all(|(_, volid)| feature::has(&world, volid, wanted, name.is_some()));
    let mut answer = json!({"hasFeature": u8::from(has)});
    if vm.kind == GuestKind::Qemu {
        let sees = |node: &str| {
            volids.iter().all(|(_, volid)| {
                let id = volid.split(':').next().unwrap_or_default();
                world.storage_on(id, node).is_ok()
            })
        };
        let nodes = world.nodes.iter().map(|node| &node.name);
        answer["nodes"] = json!(nodes.filter(|node| sees(node)).collect::<Vec<_>>());
    }
    Ok(answer)
}
