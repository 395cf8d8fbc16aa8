//! Which handler answers which path.

use std::collections::BTreeMap;

use super::api;
use super::call::{Answer, Call};
use super::error::ApiError;
use super::params::Param;

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

/// One method of one path.
pub(super) struct Route {
    pub(super) method: &'static str,
    /// Segments; `{x}` matches one, `{x*}` the rest with its slashes.
    pub(super) pattern: &'static str,
    pub(super) params: &'static [Param],
    /// Whether the keys of a VM's config are parameters, too.
    pub(super) vm_keys: bool,
    pub(super) access: Access,
    pub(super) handler: Handler,
}

/// A route for every user who is logged in.
pub(super) const fn route(
    method: &'static str,
    pattern: &'static str,
    params: &'static [Param],
    handler: Handler,
) -> Route {
    Route {
        method,
        pattern,
        params,
        vm_keys: false,
        access: Access::Known,
        handler,
    }
}

impl Route {
    /// The same with the keys of a VM's config among the parameters.
    pub(super) const fn with_vm_keys(mut self) -> Self {
        self.vm_keys = true;
        self
    }

    /// The same for other callers.
    pub(super) const fn for_callers(mut self, access: Access) -> Self {
        self.access = access;
        self
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
        .find_map(|route| Some((route, matches(route.pattern, path)?)));
    found.ok_or_else(|| ApiError::not_implemented(method, path))
}

/// All method and path pairs that are answered.
pub fn endpoints() -> Vec<(&'static str, String)> {
    api::TABLES
        .iter()
        .flat_map(|table| table.iter())
        .map(|route| (route.method, format!("/{}", route.pattern.replace('*', ""))))
        .collect()
}

/// Slashes that repeat or trail do not count.
pub(super) fn collapse(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

fn matches(pattern: &'static str, path: &str) -> Option<Captures> {
    let mut captures = Captures::new();
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    for wanted in pattern.split('/') {
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
        assert!(route.pattern.ends_with("/content"));
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
