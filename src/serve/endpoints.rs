//! `/health`, `/specs` and `/spec/{identity}`, and the answer to every other path that
//! nothing else serves.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::page;
use super::peer::Peer;
use super::refusal::{Refusal, indented};
use super::shared::Shared;
use super::specs::{Rule, Spec};
use super::token::authorization;
use crate::base::sanitize;
use crate::site::is_spec_name;

/// How much of an unknown path is repeated, in characters.
const REPEATED: usize = 80;

/// Answers what no route of the page and no repository answers. Slashes in front and at
/// the end do not count, `%` means itself, and a query is not looked at.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let (mut request, _) = request.into_parts();
    let path = request.uri.path().trim_matches('/').to_owned();
    let path = path.as_str();
    let looks = matches!(request.method, Method::GET | Method::HEAD);
    let spec = path.strip_prefix("spec/");
    let result = match path {
        "health" | "specs" if !looks => Err(Refusal::method()),
        _ if spec.is_some() && !looks => Err(Refusal::method()),
        "health" => Ok(health(&shared)),
        "specs" => specs(&shared).await,
        _ => match spec {
            Some(name) => read(&shared, peer, &request.headers, name).await,
            // What is served without a login has its own errors, and all else none.
            None if path == "spec" => Err(unknown(path)),
            None => return page::unknown(&mut request, &shared).await,
        },
    };
    result.unwrap_or_else(|refusal| {
        let not_allowed = refusal.status == StatusCode::METHOD_NOT_ALLOWED;
        let mut response = refusal.indented();
        if not_allowed {
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allowed);
        }
        response
    })
}

fn unknown(path: &str) -> Refusal {
    let shown: String = sanitize(path).chars().take(REPEATED).collect();
    Refusal::bad_path(format!("Unknown endpoint: /{shown}"))
}

fn health(shared: &Shared) -> Response {
    let repos = shared.repos.get();
    let refused: Vec<Value> = repos
        .refused()
        .map(|(name, why)| json!({ "name": name, "why": why }))
        .collect();
    let mut health = json!({ "status": "ok" });
    let preparing = repos.preparing();
    if !preparing.is_empty() {
        health["preparing"] = Value::from(preparing);
    }
    if !refused.is_empty() {
        health["refused"] = Value::from(refused);
    }
    indented(StatusCode::OK, &health)
}

async fn specs(shared: &Shared) -> Result<Response, Refusal> {
    let specs = shared.specs.get();
    let names = blocking(move || specs.names()).await?;
    let names = names.map_err(|failure| {
        tracing::error!(%failure, "cannot list the specs");
        Refusal::server("The specs cannot be listed: the controller's log says why")
    })?;
    Ok(indented(StatusCode::OK, &json!({ "specs": names })))
}

/// A spec: is it a name, is there such a spec (`/specs` tells that too), may this client
/// read it, and only then whether it can be resolved.
async fn read(
    shared: &Shared,
    Peer(peer): Peer,
    headers: &HeaderMap,
    name: &str,
) -> Result<Response, Refusal> {
    if !is_spec_name(name) {
        return Err(Refusal::bad_path("Not the name of a spec"));
    }
    let not_found = || Refusal::not_found(format!("Spec not found: {name}"));
    let spec = spec(shared, name).await?.ok_or_else(not_found)?;
    match &spec.rule {
        Ok(Rule::Network) => {}
        Ok(Rule::Token(token)) => {
            let given = bearer(headers).ok_or_else(Refusal::unauthorized)?;
            if !shared.failures.allowed(peer) {
                return Err(Refusal::too_many());
            }
            if !std::str::from_utf8(given).is_ok_and(|given| token.is(given)) {
                shared.failures.failed(peer);
                return Err(Refusal::forbidden());
            }
        }
        Err(refusal) => return Err(refusal.clone()),
    }
    let body = spec.body.clone()?;
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from(body)).into_response())
}

async fn spec(shared: &Shared, name: &str) -> Result<Option<Arc<Spec>>, Refusal> {
    let specs = shared.specs.get();
    if let Some(spec) = specs.known(name) {
        return Ok(Some(spec));
    }
    let name = name.to_owned();
    blocking(move || specs.resolve(&name)).await
}

/// Work that reads files.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| {
        tracing::error!(%error, "a request failed");
        Refusal::server("Internal error")
    })
}

/// The token of a request, as bytes: exactly one `Authorization: Bearer TOKEN`.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    authorization(headers)?.as_bytes().strip_prefix(b"Bearer ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::AUTHORIZATION;

    #[test]
    fn a_token_is_sent_in_one_way() {
        let sent = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(sent(&["Bearer t0k"]), Some(b"t0k".to_vec()));
        for other in ["bearer t0k", "Basic t0k", "Bearer", "t0k", "Bearert0k"] {
            assert_eq!(sent(&[other]), None, "{other}");
        }
        assert_eq!(sent(&[]), None);
        assert_eq!(sent(&["Bearer t0k", "Bearer t0k"]), None);
    }
}
