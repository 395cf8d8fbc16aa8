//! The HTTPS transport: one request, its answer, its errors, its retries.

use std::sync::mpsc;
use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::{Client as Http, RequestBuilder, multipart};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::de::DeserializeOwned;

use super::body::{self, Cut};
use super::settings::Settings;
use super::tls::LastShown;
use super::{Endpoint, Error, Policy, TlsProblem, Unreachable, answer, transport};
use crate::base::Cancel;
use crate::lab::trace::carried;
use crate::lab::{Environment, Paths};

/// Until an ordinary call is answered.
const ANSWER: Duration = Duration::from_secs(30);
/// Pauses before a read is tried again after a broken connection.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];

/// A client for the API of one Proxmox VE host. Clones share connections.
#[derive(Clone)]
pub struct Client {
    http: Http,
    endpoint: Endpoint,
    authorization: HeaderValue,
    policy: Policy,
    shown: LastShown,
    cancel: Cancel,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// Name and value of a parameter.
pub type Param<'a> = (&'a str, &'a str);

impl Client {
    /// A client for what the environment names. Nothing is contacted yet.
    pub fn new(env: &Environment, paths: &Paths) -> Result<Self, Error> {
        Self::from_settings(&Settings::read(env, paths)?)
    }

    /// A client for these settings.
    pub fn from_settings(settings: &Settings) -> Result<Self, Error> {
        let shown = LastShown::default();
        let protocol = |detail: String| Error::Tls {
            endpoint: settings.endpoint.to_string(),
            problem: TlsProblem::Protocol(detail),
            fingerprint: None,
        };
        let http = transport::http(settings.policy, &settings.authorities, &shown, ANSWER)
            .map_err(protocol)?;
        let token = format!(
            "PVEAPIToken={}={}",
            settings.token_id, settings.token_secret
        );
        let mut authorization = HeaderValue::from_str(&token)
            .map_err(|_| protocol("the token cannot be sent in a header".to_owned()))?;
        authorization.set_sensitive(true);
        Ok(Self {
            http,
            endpoint: settings.endpoint.clone(),
            authorization,
            policy: settings.policy,
            shown,
            cancel: Cancel::default(),
        })
    }

    /// The same client, whose reads and waits end when `cancel` is set.
    /// Writes are always waited for, so that their effect is known.
    #[must_use]
    pub fn with_cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Where it calls.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How it judges certificates; [`Policy::Insecure`] deserves a warning.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// `GET path?query`; broken connections are tried again.
    pub fn get<T: DeserializeOwned>(&self, path: &str, query: &[Param<'_>]) -> Result<T, Error> {
        self.get_within(path, query, ANSWER)
    }

    /// As [`Client::get`], for calls that take longer.
    pub(super) fn get_within<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[Param<'_>],
        limit: Duration,
    ) -> Result<T, Error> {
        let mut pauses = PAUSES.iter();
        loop {
            let request = self.request(Method::GET, path).query(query).timeout(limit);
            let result = traced("GET", path, || {
                let reply = self.interruptible(request, limit)?;
                reply.read(&format!("GET {path}"))
            });
            match (result, pauses.next()) {
                (Err(error), Some(pause)) if worth_another_try(&error) => {
                    self.cancel.sleep(*pause)?;
                }
                (result, _) => return result,
            }
        }
    }

    /// `POST path` with a form.
    pub fn post<T: DeserializeOwned>(&self, path: &str, form: &[Param<'_>]) -> Result<T, Error> {
        let request = self.request(Method::POST, path).form(form);
        self.write(request, ANSWER, "POST", path)
    }

    /// `PUT path` with a form.
    pub fn put<T: DeserializeOwned>(&self, path: &str, form: &[Param<'_>]) -> Result<T, Error> {
        let request = self.request(Method::PUT, path).form(form);
        self.write(request, ANSWER, "PUT", path)
    }

    /// `DELETE path?query`.
    pub fn delete<T: DeserializeOwned>(&self, path: &str, query: &[Param<'_>]) -> Result<T, Error> {
        let request = self.request(Method::DELETE, path).query(query);
        self.write(request, ANSWER, "DELETE", path)
    }

    /// `POST path` with a multipart form, within `limit`.
    pub(super) fn post_multipart<T: DeserializeOwned>(
        &self,
        path: &str,
        form: multipart::Form,
        limit: Duration,
    ) -> Result<T, Error> {
        let request = self.request(Method::POST, path);
        let request = request.multipart(form).timeout(limit);
        self.write(request, limit, "POST", path)
    }

    /// Sent once: what a write did before its connection broke is not known.
    fn write<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        limit: Duration,
        method: &str,
        path: &str,
    ) -> Result<T, Error> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        traced(method, path, || {
            let reply = self.send(request, limit)?;
            reply.read(&format!("{method} {path}"))
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/{}", self.endpoint.api(), path.trim_start_matches('/'));
        self.http
            .request(method, url)
            .header(AUTHORIZATION, self.authorization.clone())
    }

    /// Sends a read on a thread of its own, so that a stop need not wait for
    /// a node that does not answer.
    fn interruptible(&self, request: RequestBuilder, limit: Duration) -> Result<Reply, Error> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let client = self.clone();
        let work = carried(move || client.send(request, limit));
        std::thread::spawn(move || {
            // Its span is gone before the answer is there: nobody waits for this thread.
            let reply = work();
            sender.send(reply).is_ok()
        });
        loop {
            if self.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            match receiver.recv_timeout(Duration::from_millis(50)) {
                Ok(reply) => return reply,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Error::Cancelled),
            }
        }
    }

    fn send(&self, request: RequestBuilder, limit: Duration) -> Result<Reply, Error> {
        let response = request.send().map_err(|error| self.transport(&error))?;
        let status = response.status();
        let reason = response
            .extensions()
            .get::<hyper::ext::ReasonPhrase>()
            .map(|phrase| String::from_utf8_lossy(phrase.as_bytes()).into_owned())
            .or_else(|| status.canonical_reason().map(str::to_owned))
            .unwrap_or_default();
        let declared = response.content_length();
        let body = match body::read(response, declared, limit) {
            Ok(body) => Some(body),
            Err(Cut::TooLong) => None,
            Err(Cut::TooSlow) => return Err(self.unreachable(Unreachable::Timeout)),
            Err(Cut::Broken(error)) => return Err(self.broken(error)),
        };
        tracing::debug!(status = status.as_u16(), "answered");
        Ok(Reply {
            status: status.as_u16(),
            reason,
            body,
        })
    }

    /// What the rest of an answer was lost to.
    fn broken(&self, error: std::io::Error) -> Error {
        match error.downcast::<reqwest::Error>() {
            Ok(error) => self.transport(&error),
            Err(error) => self.unreachable(Unreachable::Other(error.to_string())),
        }
    }

    fn unreachable(&self, reason: Unreachable) -> Error {
        Error::Unreachable {
            endpoint: self.endpoint.to_string(),
            reason,
        }
    }

    /// What a request that got no answer died of.
    fn transport(&self, error: &reqwest::Error) -> Error {
        transport::failed(&self.endpoint.to_string(), &self.shown, error)
    }
}

/// A call within a span of its own.
fn traced<T>(
    method: &str,
    path: &str,
    call: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let _span = tracing::info_span!("request", method, path).entered();
    call().inspect_err(|error| tracing::info!(%error, "failed"))
}

/// A broken connection or a node that its peers cannot reach right now; not a
/// name that has no address.
fn worth_another_try(error: &Error) -> bool {
    let broken = matches!(
        error,
        Error::Unreachable {
            reason: Unreachable::Refused | Unreachable::Other(_),
            ..
        }
    );
    let relayed = matches!(
        error,
        Error::Api {
            status: 595..=599,
            ..
        }
    );
    broken || relayed
}

struct Reply {
    status: u16,
    reason: String,
    /// None: it is longer than any answer of the API.
    body: Option<Vec<u8>>,
}

impl Reply {
    fn read<T: DeserializeOwned>(&self, call: &str) -> Result<T, Error> {
        if !(200..300).contains(&self.status) {
            let body = self.body.as_deref().unwrap_or_default();
            return Err(answer::failure(self.status, &self.reason, body));
        }
        match &self.body {
            Some(body) => answer::success(call, body),
            None => Err(Error::Answer {
                call: call.to_owned(),
                detail: format!(
                    "more than {} MiB, is this a Proxmox VE host?",
                    body::MOST >> 20
                ),
            }),
        }
    }
}
