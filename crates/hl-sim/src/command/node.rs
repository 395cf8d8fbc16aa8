//! The node at whose command line somebody is root: its calls of the API, and its tasks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::exchange::CommandReply;
use crate::acl::ROOT;
use crate::auth::Identity;
use crate::dispatch;
use crate::error::ApiError;
use crate::fault::{At, Effect};
use crate::log::RequestLine;
use crate::machine::Sim;
use crate::params::Params;
use crate::route::{self, Captures, Route};
use crate::world::World;

/// How long a command may take; a task that takes longer goes on without it.
pub(super) const LIMIT: Duration = Duration::from_mins(15);

/// What a command prints, or how it fails.
pub(super) type Said = Result<String, CommandReply>;

/// A node.
pub(super) struct Node<'a> {
    pub(super) sim: &'a Arc<Sim>,
    pub(super) name: &'a str,
    /// The directory that the command was given in.
    pub(super) cwd: &'a str,
}

impl Node<'_> {
    /// Calls a path of the API, as root. Faults meet it, and it is in the log.
    pub(super) fn call(&self, method: &str, path: &str, params: Params) -> Result<Value, ApiError> {
        let found = route::find(method, path);
        self.send(method, path, found, params)
    }

    /// The same with a route that is known, whose captures need not fit a path.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        found: Result<(&'static Route, Captures), ApiError>,
        params: Params,
    ) -> Result<Value, ApiError> {
        let begun = Instant::now();
        let met = self.sim.faults.call(method, path);
        self.sim.pause(met.slow);
        self.enforce(met.condition(At::Before));
        let answered = if met.instead() {
            Ok(Value::Null)
        } else {
            let who = Identity {
                id: ROOT.to_owned(),
            };
            let run = |found| dispatch::run(self.sim, &who, path, found, params);
            found.and_then(run).and_then(|(data, _)| data.into_value())
        };
        self.enforce(met.condition(At::After));
        let silent = matches!(met.effect, Effect::Lost | Effect::Hang);
        if matches!(met.effect, Effect::Hang) {
            self.sim.pause(LIMIT);
        }
        let answered = match &met.effect {
            Effect::Error(error) => Err(error.clone()),
            Effect::Body(status, _) => Err(ApiError::new(*status, "no JSON in the answer")),
            Effect::Lost | Effect::Hang => Err(ApiError::new(596, "Connection timed out")),
            Effect::None | Effect::Exit(_) | Effect::World(_) | Effect::Tls(_) => answered,
        };
        self.sim.log.push(RequestLine {
            method: method.to_owned(),
            path: path.to_owned(),
            status: match &answered {
                _ if silent => 0,
                Ok(_) => 200,
                Err(error) => error.status,
            },
            micros: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            who: ROOT.to_owned(),
        });
        answered
    }

    /// The volume that a command line means: by its id, or by where it is on the node.
    pub(super) fn volume_at(&self, world: &World, named: &str) -> Option<String> {
        if let Some(volume) = world.volume(named) {
            return Some(volume.volid.clone());
        }
        let path = self.path(named);
        let here = world.volumes.iter().filter(|volume| {
            let storage = world.storages.get(volume.storage());
            storage.is_some_and(|storage| {
                storage.is_on(self.name) && (storage.shared || volume.node == self.name)
            })
        });
        let mut found = here.filter(|volume| world.path_of(&volume.volid) == path);
        found.next().map(|volume| volume.volid.clone())
    }

    /// A path of the node, from the root on.
    pub(super) fn path(&self, named: &str) -> String {
        if named.starts_with('/') {
            return named.to_owned();
        }
        format!("{}/{named}", self.cwd.trim_end_matches('/'))
    }

    fn enforce(&self, condition: Option<&crate::fault::Condition>) {
        if let Some(condition) = condition {
            self.sim.enforce(condition);
        }
    }

    /// Waits for the end of a task, if the answer is one, and gives what it logged.
    pub(super) fn finish(&self, answer: &Value) -> Said {
        let Some(upid) = answer.as_str().filter(|text| text.starts_with("UPID:")) else {
            return Ok(String::new());
        };
        let until = Instant::now() + LIMIT;
        loop {
            let ended = {
                let world = self.sim.world();
                match world.task(upid) {
                    None => Some((String::new(), "OK".to_owned())),
                    Some(task) => task.exit.clone().map(|exit| {
                        let lines = task.log.iter().filter(|line| !line.starts_with("TASK "));
                        (lines.flat_map(|line| [line, "\n"]).collect(), exit)
                    }),
                }
            };
            match ended {
                Some((log, exit)) if exit == "OK" || exit.starts_with("WARNINGS: ") => {
                    return Ok(log);
                }
                Some((out, exit)) => {
                    return Err(CommandReply {
                        out,
                        ..CommandReply::failed(exit)
                    });
                }
                None if Instant::now() >= until => {
                    let text = format!("the task did not end in {LIMIT:?}: {upid}");
                    return Err(CommandReply::failed(text));
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

/// How these programs tell an error of the API.
impl From<ApiError> for CommandReply {
    fn from(error: ApiError) -> Self {
        let mut text = match error.status {
            500 | 501 => error.message,
            status => format!("{status} {}", error.message),
        };
        for (name, why) in error.errors {
            text = format!("{}\n{name}: {why}", text.trim_end());
        }
        Self::failed(text)
    }
}
