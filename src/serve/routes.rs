//! The way of a request: it is logged, limited, and goes to the repositories, the page or
//! the endpoints. Whatever becomes of it, its answer has a body.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method};
use http_body_util::Limited;
use tower_http::catch_panic::CatchPanicLayer;

use super::peer::{Peer, RequestId};
use super::refusal::Refusal;
use super::shared::Shared;
use super::{endpoints, head, page, repos};

/// The longest body of a request, in bytes.
const BODY: usize = 128 * 1024;
/// Until an answer begins.
const WITHIN: Duration = Duration::from_mins(1);
/// How much of a path is logged, in characters.
const LOGGED: usize = 200;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// All that is answered.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    page::routes()
        .fallback(endpoints::answer)
        .layer(from_fn_with_state(Arc::clone(&shared), repositories))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(limited))
        .layer(from_fn(logged))
        .with_state(shared)
}

async fn repositories(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path
        .split('/')
        .any(|part| part.strip_suffix(".git").is_some())
    {
        return repos::answer(&shared, request).await;
    }
    next.run(request).await
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer gives what a panic left"
)]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = said, "a bug: a request was not answered");
    Refusal::server("Internal error").into_response()
}

async fn limited(request: Request, next: Next) -> Response {
    if head::is_too_long(&request) {
        return Refusal::head_too_long().into_response();
    }
    let declared = request.headers().get(CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > BODY) {
        return Refusal::too_large().into_response();
    }
    let is_head = *request.method() == Method::HEAD;
    let request = request.map(|body| Body::new(Limited::new(body, BODY)));
    let Ok(response) = tokio::time::timeout(WITHIN, next.run(request)).await else {
        return Refusal::too_slow().into_response();
    };
    if is_head {
        response
    } else {
        with_body(response)
    }
}

/// An error without a body is given the one that all have.
fn with_body(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.body().size_hint().exact() != Some(0) {
        return response;
    }
    let mut shaped = Refusal::of_status(status).into_response();
    for (name, value) in response.headers() {
        if ![CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING].contains(name) {
            shaped.headers_mut().append(name.clone(), value.clone());
        }
    }
    shaped
}

/// One line for each request. Neither queries nor headers are in it: tokens may be.
async fn logged(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let id = request.extensions().get::<RequestId>().copied();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(LOGGED).collect();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    tracing::info!(
        id,
        peer = peer.map(tracing::field::display),
        %method,
        ?path,
        status = response.status().as_u16(),
        us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    response
}
