//! The wire: from an HTTP request to a call, and from its answer to a response
//! as Proxmox VE's own daemon writes it.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::ext::ReasonPhrase;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::auth::{self, Credentials, Identity};
use super::dispatch::{self, Answered, Data};
use super::error::ApiError;
use super::fault::{At, Condition, Effect, Met};
use super::line::Cut;
use super::log::RequestLine;
use super::machine::{HANG, Sim};
use super::params::Params;
use super::route::{self, Access};
use super::upload;

/// The largest body that is not an upload.
const BODY_LIMIT: usize = 512 * 1024;

/// Answers longer than this are packed for clients that take it.
const GZIP_FROM: usize = 1024;

/// How much of a refused body is read before the answer.
const DRAIN_LIMIT: usize = 16 * 1024 * 1024;

/// How the answer is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    /// The same with `success`, always with status 200.
    ExtJs,
}

/// Answers one request.
pub(super) async fn serve(State(sim): State<Arc<Sim>>, request: Request) -> Response<Body> {
    let begun = Instant::now();
    let method = request.method().clone();
    let decoded = percent_decode_str(request.uri().path()).decode_utf8_lossy();
    let whole = route::collapse(&decoded);
    let zip = accepts_gzip(request.headers());
    let Some((format, path)) = strip_base(&whole) else {
        if whole == "/" && matches!(method, Method::GET | Method::HEAD) {
            return page(&sim, zip);
        }
        let error = ApiError::new(404, format!("no such file '{whole}'"));
        return respond(Format::Json, Err(error), zip);
    };
    let mut who = None;
    let met = sim.faults.call(method.as_str(), &path);
    let cut = request.extensions().get::<Cut>().cloned();
    if !met.slow.is_zero() {
        tokio::time::sleep(met.slow).await;
    }
    enforce(&sim, met.condition(At::Before)).await;
    let answered = if met.instead() {
        refuse(&sim, request, &mut who).await
    } else {
        answer(&sim, request, &path, &mut who).await
    };
    enforce(&sim, met.condition(At::After)).await;
    let answered = if let Effect::Error(error) = &met.effect {
        Err(error.clone())
    } else {
        answered
    };
    if let Err(error) = &answered
        && error.status == 401
    {
        tokio::time::sleep(sim.faults.refusal()).await;
    }
    let response = if let Effect::Body(status, text) = &met.effect {
        another(*status, text, zip)
    } else {
        respond(format, answered, zip)
    };
    let silent = matches!(met.effect, Effect::Lost | Effect::Hang);
    sim.log.push(RequestLine {
        method: method.to_string(),
        path,
        status: if silent {
            0
        } else {
            response.status().as_u16()
        },
        micros: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        who: who.map(|who| who.id).unwrap_or_default(),
    });
    if silent {
        silence(&met, cut).await;
    }
    response
}

/// No answer: at once, or after the longest time that a client could wait.
async fn silence(met: &Met, cut: Option<Cut>) {
    if matches!(met.effect, Effect::Hang) {
        tokio::time::sleep(HANG).await;
    }
    if let Some(cut) = cut {
        cut.cut();
    }
}

async fn enforce(sim: &Arc<Sim>, condition: Option<&Condition>) {
    if let Some(condition) = condition.cloned() {
        let sim = Arc::clone(sim);
        let made = tokio::task::spawn_blocking(move || sim.enforce(&condition));
        // It panics only with the world's lock broken, and every call says so then.
        made.await.ok();
    }
}

/// Reads a request that is not answered for what it asks: a client that is still
/// writing would see a broken pipe.
async fn refuse(sim: &Sim, request: Request, who: &mut Option<Identity>) -> Answered {
    *who = recognise(sim, request.headers(), false).ok();
    axum::body::to_bytes(request.into_body(), DRAIN_LIMIT)
        .await
        .ok();
    Ok((Data::Value(Value::Null), Map::new()))
}

/// Something that is no answer of the API: another server's page, or a piece of one.
fn another(status: u16, text: &str, zip: bool) -> Response<Body> {
    let kind = if text.starts_with('<') {
        "text/html"
    } else {
        "application/json;charset=UTF-8"
    };
    let mut response = with_body(text.to_owned(), kind, zip);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response
}

async fn answer(
    sim: &Arc<Sim>,
    request: Request,
    path: &str,
    who: &mut Option<Identity>,
) -> Answered {
    let method = request.method().to_string();
    if let Err(error) = check_head(&request) {
        // A client that is still writing would see a broken pipe instead.
        axum::body::to_bytes(request.into_body(), DRAIN_LIMIT)
            .await
            .ok();
        return Err(error);
    }
    let found = route::find(&method, path);
    let open = found
        .as_ref()
        .is_ok_and(|(route, _)| route.access == Access::Open);
    let uploads = path.ends_with("/upload");
    if !open {
        let writes = request.method() != Method::GET && !uploads;
        *who = Some(recognise(sim, request.headers(), writes)?);
    }
    let found = found?;
    let identity = who.clone().unwrap_or(Identity { id: String::new() });
    let params = if uploads {
        upload::read(request).await?
    } else {
        read_params(request).await?
    };
    let (sim, path) = (Arc::clone(sim), path.to_owned());
    let handled =
        tokio::task::spawn_blocking(move || dispatch::run(&sim, &identity, &path, found, params));
    handled
        .await
        .unwrap_or_else(|error| Err(ApiError::die(format!("the simulator failed: {error}"))))
}

/// `/api2/json/x` to `/x`.
fn strip_base(whole: &str) -> Option<(Format, String)> {
    let bases = [("/api2/json", Format::Json), ("/api2/extjs", Format::ExtJs)];
    bases.iter().find_map(|(base, format)| {
        let rest = whole.strip_prefix(base)?;
        if rest.is_empty() {
            return Some((*format, "/".to_owned()));
        }
        rest.starts_with('/').then(|| (*format, rest.to_owned()))
    })
}

fn check_head(request: &Request) -> Result<(), ApiError> {
    let headers = request.headers();
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(ApiError::new(
            501,
            "chunked transfer encoding not supported",
        ));
    }
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0);
    let method = request.method();
    if length > 0 && !matches!(*method, Method::POST | Method::PUT) {
        return Err(ApiError::new(
            501,
            format!("Unexpected content for method '{method}'"),
        ));
    }
    let upload = content_type(headers).starts_with("multipart/form-data");
    if length > BODY_LIMIT as u64 && !upload {
        return Err(ApiError::new(501, "for data too large"));
    }
    Ok(())
}

fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase()
}

fn recognise(sim: &Sim, headers: &HeaderMap, writes: bool) -> Result<Identity, ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let given = Credentials {
        authorization: text("authorization"),
        cookie: text("cookie"),
        csrf: text("csrfpreventiontoken"),
    };
    auth::identify(&sim.world(), given, writes)
}

async fn read_params(request: Request) -> Result<Params, ApiError> {
    let mut params = Params::default();
    let query = request.uri().query().map(str::to_owned);
    let kind = content_type(request.headers());
    let body: Bytes = axum::body::to_bytes(request.into_body(), BODY_LIMIT)
        .await
        .map_err(|_| ApiError::new(501, "for data too large"))?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind {
        _ if body.is_empty() => {}
        "" | "application/x-www-form-urlencoded" => params.add_form(&body),
        "application/json" => params.add_json(&body)?,
        other => {
            return Err(ApiError::new(
                506,
                format!("upload or content type '{other}' not supported here"),
            ));
        }
    }
    // What the query says counts.
    params.add_form(query.unwrap_or_default().as_bytes());
    Ok(params)
}

/// Whether a client takes gzip: asked as Proxmox VE's daemon asks.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING);
    accepted
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.contains("gzip"))
}

/// What a browser or a health check finds at `/`.
fn page(sim: &Sim, zip: bool) -> Response<Body> {
    let (node, release) = {
        let world = sim.world();
        let node = world.nodes.first().map(|node| node.name.clone());
        (node.unwrap_or_default(), world.profile.release.clone())
    };
    let text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <title>{node} - Proxmox Virtual Environment</title></head>\n\
         <body><p>This is a simulated Proxmox VE {release}. It has no web interface; \
         its API is at <a href=\"/api2/json/version\">/api2/json</a>.</p></body>\n</html>\n"
    );
    let mut response = with_body(text, "text/html; charset=UTF-8", zip);
    as_the_daemon(response.headers_mut());
    response
}

fn with_body(text: String, kind: &'static str, zip: bool) -> Response<Body> {
    let packed = (zip && text.len() > GZIP_FROM)
        .then(|| gzip(text.as_bytes()).ok())
        .flatten();
    let mut response = match packed {
        Some(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            let gzip = HeaderValue::from_static("gzip");
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, gzip);
            response
        }
        None => Response::new(Body::from(text)),
    };
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes)?;
    packer.finish()
}

/// The headers that every answer has.
fn as_the_daemon(headers: &mut HeaderMap) {
    let text = HeaderValue::from_static;
    headers.insert(header::SERVER, text("pve-api-daemon/3.0"));
    headers.insert(header::CACHE_CONTROL, text("max-age=0"));
    headers.insert(header::PRAGMA, text("no-cache"));
    headers.insert(header::EXPIRES, text("Thu, 01 Jan 1970 00:00:00 GMT"));
}

fn respond(format: Format, answered: Answered, zip: bool) -> Response<Body> {
    let (status, reason, body) = match answered {
        Ok((data, mut beside)) => {
            if format == Format::ExtJs {
                beside.insert("success".to_owned(), json!(1));
            }
            (200, None, whole(data, beside))
        }
        Err(error) => {
            let (status, reason, body) = failed(format, &error);
            (
                status,
                reason,
                body.map(|body| body.to_string()).unwrap_or_default(),
            )
        }
    };
    let close = status >= 400;
    let mut response = with_body(body, "application/json;charset=UTF-8", zip);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    as_the_daemon(headers);
    if close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(reason) = reason
        && let Ok(reason) = ReasonPhrase::try_from(reason.into_bytes())
    {
        response.extensions_mut().insert(reason);
    }
    response
}

/// The body of an answer: its data, which may be long, and what is beside it.
fn whole(data: Data, beside: Map<String, Value>) -> String {
    let data = data.into_text();
    let beside = Value::Object(beside).to_string();
    match beside.strip_prefix('{') {
        Some(rest) if rest != "}" => ["{\"data\":", &data, ",", rest].concat(),
        _ => ["{\"data\":", &data, "}"].concat(),
    }
}

fn failed(format: Format, error: &ApiError) -> (u16, Option<String>, Option<Value>) {
    let mut fields = Map::from_iter([("data".to_owned(), Value::Null)]);
    fields.insert("message".to_owned(), json!(format!("{}\n", error.message)));
    if !error.errors.is_empty() {
        fields.insert("errors".to_owned(), json!(error.errors));
    }
    if format == Format::ExtJs {
        fields.insert("success".to_owned(), json!(0));
        fields.insert("status".to_owned(), json!(error.status));
        return (200, None, Some(Value::Object(fields)));
    }
    let line = error.message.lines().next().unwrap_or_default();
    // A reason phrase must not hold control characters.
    let reason: String = line.chars().filter(|c| !c.is_control()).collect();
    let body = (!error.bare).then_some(Value::Object(fields));
    (error.status, Some(reason), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_data_and_what_is_beside_it() {
        let read = |data, beside: Value| -> Value {
            let beside = beside.as_object().cloned().unwrap_or_default();
            serde_json::from_str(&whole(data, beside)).unwrap()
        };
        let text = || Data::Text("[1,2]".to_owned());
        assert_eq!(read(text(), json!({})), json!({"data": [1, 2]}));
        let beside = json!({"success": 1, "total": 2});
        let wanted = json!({"data": [1, 2], "success": 1, "total": 2});
        assert_eq!(read(text(), beside.clone()), wanted);
        assert_eq!(read(Data::Value(json!([1, 2])), beside), wanted);
    }
}
