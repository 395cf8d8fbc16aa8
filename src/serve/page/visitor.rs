//! Who asks for a page: looked at before the path is. A handler that takes one of
//! these is reached by nobody else.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method};

use super::cookie;
use super::frame::Frame;
use super::problem::Problem;
use super::who::Login;
use crate::serve::peer::Peer;
use crate::serve::shared::Shared;
use crate::serve::token::Token;

/// Somebody who asked for a name of this server and, to change something, from a page
/// of it.
#[derive(Debug)]
pub(super) struct Anyone {
    pub(super) shared: Arc<Shared>,
    pub(super) peer: IpAddr,
    pub(super) login: Option<Login>,
}

/// Somebody who may look.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) shared: Arc<Shared>,
    pub(super) login: Login,
}

/// A form of somebody who is logged in, sent from a page of theirs.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) shared: Arc<Shared>,
    pub(super) peer: IpAddr,
    pub(super) login: Login,
    pub(super) fields: Fields,
}

/// The same of somebody who may act.
#[derive(Debug)]
pub(super) struct Operator(pub(super) Sent);

/// The fields of a form.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Reader {
    /// What the pages of this session have around them.
    pub(super) fn frame(&self, title: &str) -> Frame {
        Frame::of(title, &self.login)
    }
}

impl Fields {
    /// The first field of that name; empty when there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value)
    }
}

impl From<Vec<(String, String)>> for Fields {
    fn from(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }
}

impl FromRequestParts<Arc<Shared>> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let Peer(peer) = parts
            .extensions
            .get()
            .copied()
            .ok_or_else(|| Problem::internal("the client has no address"))?;
        let host = host(parts).ok_or_else(Problem::other_host)?;
        let named: Authority = host.parse().map_err(|_| Problem::other_host())?;
        if host.contains('@') || !shared.certificates.is_for(named.host()) {
            return Err(Problem::other_host());
        }
        let looks = [Method::GET, Method::HEAD].contains(&parts.method);
        if !looks && !is_own(&parts.headers, &host) {
            return Err(Problem::other_origin());
        }
        let token = cookie::session(&parts.headers);
        let login = token.and_then(|token| {
            let may = shared.sessions.may(&token)?;
            Some(Login { token, may })
        });
        Ok(Self {
            shared: Arc::clone(shared),
            peer,
            login,
        })
    }
}

impl FromRequestParts<Arc<Shared>> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let anyone = Anyone::from_request_parts(parts, shared).await?;
        Ok(Self {
            login: anyone.login.ok_or_else(Problem::login_needed)?,
            shared: anyone.shared,
        })
    }
}

impl FromRequest<Arc<Shared>> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let anyone = Anyone::from_request_parts(&mut parts, shared).await?;
        let login = anyone.login.ok_or_else(Problem::login_needed)?;
        let fields = fields(Request::from_parts(parts, body)).await?;
        let wanted = Token::new(&cookie::form_token(&login.token));
        if !wanted.is(fields.get("csrf")) {
            return Err(Problem::stale_form());
        }
        Ok(Self {
            shared: anyone.shared,
            peer: anyone.peer,
            login,
            fields,
        })
    }
}

impl FromRequest<Arc<Shared>> for Operator {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Self::Rejection> {
        let sent = Sent::from_request(request, shared).await?;
        if sent.login.operates() {
            Ok(Self(sent))
        } else {
            Err(Problem::read_only())
        }
    }
}

/// The fields that a form was sent with.
pub(super) async fn fields(request: Request) -> Result<Fields, Problem> {
    let form = Form::<Vec<(String, String)>>::from_request(request, &()).await;
    let Form(fields) =
        form.map_err(|_| Problem::bad_form("The form cannot be read, or is too long."))?;
    Ok(Fields::from(fields))
}

/// The server that the client means, with its port where it said one.
fn host(parts: &Parts) -> Option<String> {
    if let Some(authority) = parts.uri.authority() {
        return Some(authority.as_str().to_owned());
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?.to_owned();
    hosts.next().is_none().then_some(host)
}

/// Whether a browser sent this from a page of `host`. Pages with `no-referrer` send
/// `null` as their origin; then the browser's own word on where it came from counts.
fn is_own(headers: &HeaderMap, host: &str) -> bool {
    let is = |name: &str, wanted: &str| {
        let found = headers.get(name).and_then(|value| value.to_str().ok());
        found.is_some_and(|found| found.eq_ignore_ascii_case(wanted))
    };
    match headers.get(ORIGIN) {
        Some(origin) if origin != "null" => is("origin", &format!("https://{host}")),
        _ => is("sec-fetch-site", "same-origin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn a_form_comes_from_a_page_of_this_host() {
        let host = "lab.test:44443";
        for own in [
            &[("origin", "https://lab.test:44443")][..],
            &[
                ("origin", "https://LAB.test:44443"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-origin")],
        ] {
            assert!(is_own(&headers(own), host), "{own:?}");
        }
        for other in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "http://lab.test:44443")],
            &[("origin", "https://lab.test")],
            &[("origin", "https://lab.test:44443.evil.test")],
            &[("origin", "null"), ("sec-fetch-site", "same-site")],
            &[
                ("origin", "https://evil.test"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("sec-fetch-site", "cross-site")],
        ] {
            assert!(!is_own(&headers(other), host), "{other:?}");
        }
    }

    #[test]
    fn the_first_field_of_a_name_counts() {
        let pairs = [("a", "1"), ("b", ""), ("a", "2")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let fields = Fields(pairs.to_vec());
        assert_eq!(fields.get("a"), "1");
        assert_eq!(fields.get("b"), "");
        assert_eq!(fields.get("c"), "");
    }
}
