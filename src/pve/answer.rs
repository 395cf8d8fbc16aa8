//! Reading the API's answers: `{"data": ...}`, or an error whose message is in
//! the status line.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Error;

#[derive(Deserialize)]
struct Success<T> {
    data: T,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    message: Option<String>,
    errors: Option<BTreeMap<String, serde_json::Value>>,
}

/// The `data` of a success.
pub(super) fn success<T: DeserializeOwned>(call: &str, body: &[u8]) -> Result<T, Error> {
    let answer: Result<Success<T>, _> = serde_json::from_slice(body);
    answer.map(|a| a.data).map_err(|error| Error::Answer {
        call: call.to_owned(),
        detail: if body.trim_ascii_start().starts_with(b"<") {
            "a web page, is this a Proxmox VE host?".to_owned()
        } else {
            error.to_string()
        },
    })
}

/// The error of a status that is not a success. `reason` is the message of the
/// status line.
pub(super) fn failure(status: u16, reason: &str, body: &[u8]) -> Error {
    let failure: Failure = serde_json::from_slice(body).unwrap_or_default();
    let message = failure
        .message
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .unwrap_or(reason.trim())
        .to_owned();
    let errors: BTreeMap<String, String> = failure
        .errors
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name, text.trim().to_owned())
        })
        .collect();
    match status {
        401 => Error::Unauthorized { message },
        403 => {
            let (path, privileges) = permission(&message);
            Error::Forbidden {
                message,
                path,
                privileges,
            }
        }
        404 => Error::NotFound { message },
        500 if absent(&message) => Error::NotFound { message },
        _ => Error::Api {
            status,
            message,
            errors,
        },
    }
}

/// `... does not exist` and its relatives.
fn absent(message: &str) -> bool {
    message.contains("does not exist")
        || message.contains("no such cluster node")
        || message.contains("hostname lookup")
}

/// Cuts `Permission check failed (/vms/100, VM.Clone|VM.Audit)`.
fn permission(message: &str) -> (Option<String>, Vec<String>) {
    let inside = message
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(')'))
        .map_or("", |(inside, _)| inside);
    match inside.split_once(',') {
        Some((path, privileges)) if path.starts_with('/') => (
            Some(path.trim().to_owned()),
            privileges
                .split('|')
                .map(|p| p.trim().to_owned())
                .filter(|p| !p.is_empty())
                .collect(),
        ),
        _ => (None, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_privilege_is_taken_apart() {
        let error = failure(
            403,
            "Permission check failed (/storage/local, Datastore.Audit|Datastore.AllocateSpace)",
            b"",
        );
        let Error::Forbidden {
            path, privileges, ..
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(path.as_deref(), Some("/storage/local"));
        assert_eq!(privileges, ["Datastore.Audit", "Datastore.AllocateSpace"]);
        let error = failure(403, "Permission check failed (user != root@pam)", b"");
        assert!(matches!(error, Error::Forbidden { path: None, .. }));
    }

    #[test]
    fn parameters_are_named_and_the_body_speaks_first() {
        let body = br#"{"data":null,"errors":{"vmid":"VM 100 already exists\n"},"message":"Parameter verification failed.\n"}"#;
        assert_eq!(
            failure(400, "Bad", body).to_string(),
            "the API answered 400: Parameter verification failed. (`vmid`: VM 100 already exists)"
        );
    }

    #[test]
    fn what_is_gone_is_told_from_what_is_broken() {
        let gone = "Configuration file 'nodes/pve/qemu-server/100.conf' does not exist";
        assert!(failure(500, gone, b"{\"data\":null}").is_not_found());
        assert!(!failure(500, "VM is locked (clone)", b"").is_not_found());
        assert!(failure(500, "VM is locked (clone)", b"").is_transient());
        assert!(failure(595, "No route to host", b"").is_transient());
    }

    #[test]
    fn a_web_page_is_not_an_answer() {
        let error = success::<u32>("GET /version", b"<!DOCTYPE html>").unwrap_err();
        assert!(error.to_string().contains("web page"), "{error}");
    }
}
