//! `/nodes/N/tasks`: what workers did.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::ApiError;
use crate::kind::Kind::{self, Bool, Enum, Int, Text, Vmid};
use crate::params::{Param, opt};
use crate::route::{Route, on_node};
use crate::task::{Task, parse_upid};
use crate::world::World;

const MANY: Kind = Int(0, i64::MAX);

const LIST: &[Param] = &[
    opt("vmid", Vmid),
    opt("typefilter", Text),
    opt("userfilter", Text),
    opt("statusfilter", Text),
    opt("source", Enum(&["archive", "active", "all"])),
    opt("limit", MANY),
    opt("start", MANY),
    opt("since", MANY),
    opt("until", MANY),
    opt("errors", Bool),
];

pub(super) const ROUTES: &[Route] = &[
    on_node("GET", "tasks", LIST, list),
    on_node("GET", "tasks/{upid}", &[], |_| {
        Ok(json!([{"name": "log"}, {"name": "status"}]))
    }),
    on_node("GET", "tasks/{upid}/status", &[], status),
    on_node("GET", "tasks/{upid}/log", LOG, log),
    on_node("DELETE", "tasks/{upid}", &[], stop),
];

const LOG: &[Param] = &[
    opt("start", MANY),
    opt("limit", MANY),
    opt("download", Bool),
];

fn list(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let all = call.has(&world, &format!("/nodes/{}", call.node()), "Sys.Audit");
    let params = &call.params;
    let only = |name: &str, has: &str| params.text(name).is_none_or(|wanted| wanted == has);
    let source = params.text("source").unwrap_or("archive");
    let errors = params.flag("errors").unwrap_or(false);
    let since = params.number("since").unwrap_or(0);
    let until = params.number("until").unwrap_or(u64::MAX);
    let found: Vec<&Task> = world
        .tasks
        .iter()
        .rev()
        .filter(|task| task.node == call.node())
        .filter(|task| all || mine(call, task))
        .filter(|task| only("vmid", &task.id) && only("typefilter", &task.kind))
        .filter(|task| {
            params
                .text("userfilter")
                .is_none_or(|wanted| task.user.contains(wanted))
        })
        .filter(|task| match source {
            "active" => task.exit.is_none(),
            "archive" => task.exit.is_some(),
            _ => true,
        })
        .filter(|task| !errors || task.exit.as_deref().is_some_and(|exit| exit != "OK"))
        .filter(|task| {
            let start = u64::try_from(task.starttime).unwrap_or(0);
            (since..=until).contains(&start)
        })
        .collect();
    call.tell("total", found.len());
    let (start, limit) = window(call, 50);
    let lines = found.into_iter().skip(start).take(limit).map(|task| {
        let mut fields = head(task);
        fields["user"] = json!(task.user);
        if let Some(end) = task.endtime {
            fields["endtime"] = json!(end);
        }
        if let Some(exit) = &task.exit {
            fields["status"] = json!(exit);
        }
        fields
    });
    Ok(Value::Array(lines.collect()))
}

/// What ran on all nodes: `/cluster/tasks`.
pub(super) fn recent(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let all = call.has(&world, "/", "Sys.Audit");
    let seen = world
        .tasks
        .iter()
        .rev()
        .filter(|task| all || mine(call, task));
    let lines = seen.map(|task| {
        let mut fields = head(task);
        let (user, token) = task.user.split_once('!').unwrap_or((&task.user, ""));
        fields["user"] = json!(user);
        if !token.is_empty() {
            fields["tokenid"] = json!(token);
        }
        if let (Some(end), Some(exit)) = (task.endtime, &task.exit) {
            fields["endtime"] = json!(end);
            fields["status"] = json!(exit);
            fields["saved"] = json!("1");
        }
        fields
    });
    Ok(Value::Array(lines.collect()))
}

fn status(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let task = find(call, &world)?;
    let mut fields = head(task);
    fields["user"] = json!(task.user);
    if let Some((user, token)) = task.user.split_once('!') {
        fields["user"] = json!(user);
        fields["tokenid"] = json!(token);
    }
    fields["status"] = json!("running");
    if let Some(exit) = &task.exit {
        fields["exitstatus"] = json!(exit);
        fields["status"] = json!("stopped");
    }
    Ok(fields)
}

fn log(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let task = find(call, &world)?;
    if task.log.is_empty() {
        call.tell("total", 0);
        return Ok(json!([{"n": 1, "t": "no content"}]));
    }
    call.tell("total", task.log.len());
    let (start, limit) = window(call, 50);
    let lines = task
        .log
        .iter()
        .enumerate()
        .skip(start)
        .take(limit)
        .map(|(place, text)| json!({"n": place + 1, "t": text}));
    Ok(Value::Array(lines.collect()))
}

/// A worker of the simulator cannot be killed half-way; stopping one that is
/// over does nothing, as on a node.
fn stop(call: &Call<'_>) -> Answer {
    let world = call.sim.world();
    let task = find(call, &world)?;
    if task.exit.is_none() {
        return Err(ApiError::new(
            501,
            "stopping a running task is not implemented by the simulator",
        ));
    }
    Ok(Value::Null)
}

fn find<'w>(call: &Call<'_>, world: &'w World) -> Result<&'w Task, ApiError> {
    let text = call.part("upid");
    let Some(upid) = parse_upid(text) else {
        return Err(ApiError::param("upid", "unable to parse worker upid"));
    };
    if upid.node != call.node() {
        return Err(ApiError::param("upid", "no such task"));
    }
    let Some(task) = world.task(text) else {
        return Err(ApiError::param("upid", "no such task"));
    };
    if !mine(call, task) {
        call.need(world, &format!("/nodes/{}", task.node), "Sys.Audit")?;
    }
    Ok(task)
}

/// A user sees what its tokens did; a token sees what it did itself.
pub(super) fn mine(call: &Call<'_>, task: &Task) -> bool {
    let owner = task.user.split('!').next().unwrap_or_default();
    task.user == call.who.id || (!call.who.is_token() && owner == call.who.id)
}

fn head(task: &Task) -> Value {
    json!({
        "upid": task.upid, "node": task.node, "pid": task.pid, "pstart": task.pstart,
        "starttime": task.starttime, "type": task.kind, "id": task.id,
    })
}

fn window(call: &Call<'_>, default: usize) -> (usize, usize) {
    let number = |name: &str| usize::try_from(call.params.number(name)?).ok();
    let limit = match number("limit").unwrap_or(default) {
        0 => usize::MAX,
        limit => limit,
    };
    (number("start").unwrap_or(0), limit)
}
