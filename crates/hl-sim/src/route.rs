//! Which handler answers which path.

use std::collections::BTreeMap;

use super::api;
use super::call::{Answer, Call};
use super::error::ApiError;
use super::params::Param;
use super::vm::GuestKind;
use super::world::World;

type Text = &'static str;
type Table = &'static [Param];

/// What answers a call.
pub(super) type Handler = fn(&Call<'_>) -> Answer;

/// Who may ask at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody.
    Open,
    /// Any user or token that is authenticated.
    Known,
    /// A user that logged in; no API token.
    Ticket,
}

/// What a caller must hold before its parameters are looked at.
#[derive(Clone, Copy)]
enum Needs {
    /// It depends on what the call names: the handler asks.
    ByHandler,
    /// One of these privileges on a path, whose `{x}` are those of the call.
    Any(Text, &'static [Text]),
    /// A check of its own.
    Check(Check),
}

/// Refuses a caller who may not.
pub(super) type Check = fn(&Call<'_>, &World) -> Result<(), ApiError>;

/// One method of one path.
pub(super) struct Route {
    pub(super) method: Text,
    /// What the pattern stands below; nothing, or with a slash at its end.
    base: Text,
    /// Segments; `{x}` matches one, `{x*}` the rest with its slashes.
    pattern: Text,
    pub(super) params: Table,
    /// The guests whose keys are parameters, too.
    pub(super) keys: Option<GuestKind>,
    pub(super) access: Access,
    needs: Needs,
    pub(super) handler: Handler,
}

/// A route for every user who is logged in.
pub(super) const fn route(method: Text, pattern: Text, params: Table, handler: Handler) -> Route {
    Route {
        method,
        base: "",
        pattern,
        params,
        keys: None,
        access: Access::Known,
        needs: Needs::ByHandler,
        handler,
    }
}

/// One below a node.
pub(super) const fn on_node(method: Text, pattern: Text, params: Table, handler: Handler) -> Route {
    route(method, pattern, params, handler).below("nodes/{node}/")
}

/// One below a VM.
pub(super) const fn on_vm(method: Text, pattern: Text, params: Table, handler: Handler) -> Route {
    route(method, pattern, params, handler).below("nodes/{node}/qemu/{vmid}/")
}

/// One below a container.
pub(super) const fn on_ct(method: Text, pattern: Text, params: Table, handler: Handler) -> Route {
    route(method, pattern, params, handler).below("nodes/{node}/lxc/{vmid}/")
}

/// One below a storage of a node.
pub(super) const fn on_storage(
    method: Text,
    pattern: Text,
    params: Table,
    handler: Handler,
) -> Route {
    route(method, pattern, params, handler).below("nodes/{node}/storage/{storage}/")
}

impl Route {
    const fn below(mut self, base: Text) -> Self {
        self.base = base;
        self
    }

    /// The same with the keys of a VM's config among the parameters.
    pub(super) const fn with_vm_keys(mut self) -> Self {
        self.keys = Some(GuestKind::Qemu);
        self
    }

    /// The same with the keys of a container's config.
    pub(super) const fn with_ct_keys(mut self) -> Self {
        self.keys = Some(GuestKind::Lxc);
        self
    }

    /// The same for other callers.
    pub(super) const fn for_callers(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The same for who has one of these privileges on a path.
    pub(super) const fn needs(mut self, path: Text, any: &'static [Text]) -> Self {
        self.needs = Needs::Any(path, any);
        self
    }

    /// The same for who passes a check.
    pub(super) const fn checked(mut self, check: Check) -> Self {
        self.needs = Needs::Check(check);
        self
    }

    /// Refuses a caller who may not call it.
    pub(super) fn admit(&self, call: &Call<'_>) -> Result<(), ApiError> {
        let world = call.sim.world();
        match self.needs {
            Needs::ByHandler => Ok(()),
            Needs::Any(path, any) => call.need_any(&world, &call.filled(path), any),
            Needs::Check(check) => check(call, &world),
        }
    }

    /// Whether it looks at the files on a storage.
    pub(super) fn looks_at_files(&self) -> bool {
        self.base.ends_with("storage/{storage}/") && self.pattern.starts_with("content")
    }

    /// Whether it changes what a storage may hold.
    pub(super) fn changes_storages(&self) -> bool {
        self.base.is_empty() && self.pattern.starts_with("storage") && self.method != "GET"
    }

    /// What its guests are.
    pub(super) fn guests(&self) -> GuestKind {
        let whole = [self.base, self.pattern].concat();
        if whole.starts_with("nodes/{node}/lxc") {
            GuestKind::Lxc
        } else {
            GuestKind::Qemu
        }
    }
}

/// What the path held, by name.
pub(super) type Captures = BTreeMap<&'static str, String>;

/// Finds the route of a decoded path.
pub(super) fn find(method: &str, path: &str) -> Result<(&'static Route, Captures), ApiError> {
    let found = api::TABLES
        .iter()
        .flat_map(|table| table.iter())
        .filter(|route| route.method == method)
        .find_map(|route| Some((route, matches(route, path)?)));
    found.ok_or_else(|| ApiError::not_implemented(method, path))
}

/// All method and path pairs that are answered.
pub fn endpoints() -> Vec<(&'static str, String)> {
    let all = api::TABLES.iter().flat_map(|table| table.iter());
    let path = |route: &Route| format!("/{}{}", route.base, route.pattern.replace('*', ""));
    all.map(|route| (route.method, path(route))).collect()
}

/// Slashes that repeat or trail do not count.
pub(super) fn collapse(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

fn matches(route: &'static Route, path: &str) -> Option<Captures> {
    let mut captures = Captures::new();
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let pattern = route.base.split('/').chain(route.pattern.split('/'));
    for wanted in pattern.filter(|part| !part.is_empty()) {
        let Some(name) = wanted.strip_prefix('{').and_then(|w| w.strip_suffix('}')) else {
            if parts.next()? != wanted {
                return None;
            }
            continue;
        };
        if let Some(name) = name.strip_suffix('*') {
            let rest: Vec<&str> = parts.collect();
            if rest.is_empty() {
                return None;
            }
            captures.insert(name, rest.join("/"));
            return Some(captures);
        }
        captures.insert(name, parts.next()?.to_owned());
    }
    parts.next().is_none().then_some(captures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_swallows_slashes() {
        let (route, held) =
            find("GET", "/nodes/pve/storage/local/content/local:iso/x.iso").unwrap();
        assert_eq!(held["volume"], "local:iso/x.iso");
        assert!(route.pattern.ends_with("{volume*}"));
        let (route, _) = find("GET", "/nodes/pve/storage/local/content").unwrap();
        assert_eq!(route.pattern, "content");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let error = find("GET", "/foo").err().unwrap();
        assert_eq!(error.status, 501);
        assert_eq!(error.message, "Method 'GET /foo' not implemented");
        assert!(find("PATCH", "/version").is_err());
    }

    #[test]
    fn slashes_collapse() {
        assert_eq!(collapse("//nodes//pve/qemu/100/"), "/nodes/pve/qemu/100");
        assert_eq!(collapse(""), "/");
    }

    #[test]
    fn no_pair_is_there_twice() {
        let mut pairs = endpoints();
        let count = pairs.len();
        pairs.sort();
        pairs.dedup();
        assert_eq!(pairs.len(), count);
    }
}
