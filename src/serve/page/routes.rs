//! The paths of the page, and what every answer of it carries.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::problem::Problem;
use super::visitor::Reader;
use super::{act, assets, entry, events, home, list, logs, report, run, start};
use crate::serve::refusal::Refusal;
use crate::serve::shared::Shared;

/// The longest form, in bytes.
const FORM: usize = 64 * 1024;

/// Nothing is loaded, sent to or framed by anybody else, and nothing inline runs.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";

fn headers() -> [(HeaderName, &'static str); 6] {
    [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ]
}

/// The pages. Each handler takes who may see or do it, so none is reached by others.
pub(in crate::serve) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(home::home))
        .route("/login", get(entry::show).post(entry::enter))
        .route("/logout", post(entry::leave))
        .route("/assets/page.css", get(assets::style))
        .route("/assets/page.js", get(assets::script))
        .route("/runs", get(list::runs))
        .route("/runs/{id}", get(run::run))
        .route("/runs/{id}/events", get(events::events))
        .route("/runs/{id}/logs/{*step}", get(logs::logs))
        .route("/runs/{id}/report", get(report::report))
        .route("/runs/{id}/approve", post(act::approve))
        .route("/runs/{id}/reject", post(act::reject))
        .route("/runs/{id}/stop", post(act::stop))
        .route("/recipes/{name}", get(start::recipe).post(start::start))
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(FORM))
        .layer(from_fn(with_headers))
}

/// A path that takes forms only, or none.
async fn no_such_method(_: Reader) -> Problem {
    Problem::method()
}

/// A path that nothing is at. Only those who are logged in are told so.
pub(in crate::serve) async fn unknown(request: &mut Parts, shared: &Arc<Shared>) -> Response {
    let reader = Reader::from_request_parts(request, shared).await;
    dressed(match reader {
        Ok(_) => Problem::not_found("There is no such page.").into_response(),
        Err(_) => Refusal::unauthorized().indented(),
    })
}

async fn with_headers(request: Request, next: Next) -> Response {
    dressed(next.run(request).await)
}

fn dressed(mut response: Response) -> Response {
    for (name, value) in headers() {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}
