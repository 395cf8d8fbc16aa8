//! The style sheet and the script: the same for everybody.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::visitor::Anyone;

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");

/// `/assets/page.css`
pub(super) async fn style(_: Anyone) -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// `/assets/page.js`
pub(super) async fn script(_: Anyone) -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind)], text).into_response()
}
