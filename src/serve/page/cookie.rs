//! The cookie of a session, and the token that its forms carry.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use super::sessions::SESSION;
use crate::base::hex;

/// Browsers take a cookie with this prefix only over TLS, for all paths of one host.
const NAME: &str = "__Host-hl";

/// The session's token that a request carries.
pub(super) fn session(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter();
    let mut cookies = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='));
    let (_, value) = cookies.find(|(name, _)| *name == NAME)?;
    Some(value.to_owned())
}

/// Begins a session in the browser.
pub(super) fn begin(token: &str) -> Option<HeaderValue> {
    set(token, SESSION.as_secs())
}

/// Ends it there.
pub(super) fn end() -> Option<HeaderValue> {
    set("", 0)
}

fn set(value: &str, seconds: u64) -> Option<HeaderValue> {
    let text =
        format!("{NAME}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict");
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What every form of a session carries. It is made of the session's token, which a
/// page of another origin cannot read, and tells nothing about it.
pub(super) fn form_token(session: &str) -> String {
    hex(&Sha256::digest(format!("hl page form\0{session}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        assert_eq!(session(&headers), None);
        let line = HeaderValue::from_static("a=b; hl=no");
        headers.append(COOKIE, line);
        assert_eq!(session(&headers), None);
        let line = HeaderValue::from_static("x=y;__Host-hl=12ab; z=");
        headers.append(COOKIE, line);
        assert_eq!(session(&headers).as_deref(), Some("12ab"));
    }

    #[test]
    fn the_cookie_has_every_attribute() {
        let value = begin("12ab").unwrap();
        assert_eq!(
            value.to_str().unwrap(),
            "__Host-hl=12ab; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Strict"
        );
        assert!(end().unwrap().to_str().unwrap().contains("Max-Age=0"));
        assert_ne!(form_token("a"), form_token("b"));
        assert!(!form_token("12ab").contains("12ab"));
    }
}
