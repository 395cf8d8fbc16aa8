//! A request and its answer: the token first, then the method, then the path.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};

use super::file::{self, send};
use super::import::RawFiles;
use super::path::{Asked, What, asked};
use super::repositories::RepoState;
use super::snapshot::RepoSnapshot;
use crate::serve::peer::Peer;
use crate::serve::refusal::Refusal;
use crate::serve::shared::Shared;
use crate::serve::token::authorization;

/// When a repository that is being prepared may be asked for again, in seconds.
const LATER: &str = "5";

/// Types of files by the end of their names.
const TYPES: [(&[u8], &str); 6] = [
    (b".sh", "text/x-shellscript; charset=utf-8"),
    (b".py", "text/x-python; charset=utf-8"),
    (b".yaml", "text/yaml; charset=utf-8"),
    (b".yml", "text/yaml; charset=utf-8"),
    (b".json", "application/json"),
    (b".md", "text/markdown; charset=utf-8"),
];

/// Answers a request for something of a repository.
pub(in crate::serve) async fn answer(shared: &Shared, request: Request<Body>) -> Response {
    let (parts, _) = request.into_parts();
    let peer = parts.extensions.get::<Peer>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
    let answered = match admitted(shared, peer, &parts.headers) {
        Ok(()) => found(shared, &parts.method, parts.uri.path(), &parts.headers).await,
        Err(refusal) => Err(refusal),
    };
    let refusal = match answered {
        Ok(response) => return response,
        Err(refusal) => refusal,
    };
    let status = refusal.status;
    let mut response = refusal.into_response();
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        // git asks for a user and a password then.
        let ask = HeaderValue::from_static("Basic realm=\"hl\", charset=\"UTF-8\"");
        headers.insert(header::WWW_AUTHENTICATE, ask);
    } else if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    } else if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(LATER));
    }
    response
}

/// Whether the token is the right one.
fn admitted(shared: &Shared, peer: IpAddr, headers: &HeaderMap) -> Result<(), Refusal> {
    if !shared.failures.allowed(peer) {
        return Err(Refusal::too_many());
    }
    let token = token(headers).ok_or_else(Refusal::unauthorized)?;
    if shared.repo_token.is(&token) {
        return Ok(());
    }
    shared.failures.failed(peer);
    Err(Refusal::forbidden())
}

/// The bearer token, or the password of basic authentication.
fn token(headers: &HeaderMap) -> Option<String> {
    let value = authorization(headers)?.to_str().ok()?;
    let (scheme, given) = value.split_once(' ')?;
    let given = given.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(given.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let login = String::from_utf8(STANDARD.decode(given).ok()?).ok()?;
    let (_, password) = login.split_once(':')?;
    Some(password.to_owned())
}

async fn found(
    shared: &Shared,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let with_body = match *method {
        Method::GET => true,
        Method::HEAD => false,
        _ => return Err(Refusal::method()),
    };
    let Asked { repository, what } = asked(path)?;
    let snapshot = match shared.repos.get().find(&repository) {
        Some(RepoState::Served(snapshot)) => Arc::clone(snapshot),
        Some(RepoState::Preparing) => return Err(Refusal::preparing()),
        Some(RepoState::Refused(_)) | None => {
            return Err(Refusal::not_found("Repository not found"));
        }
    };
    match what {
        What::Hidden => Err(Refusal::not_found("File not found")),
        What::Git(name, kind) => {
            let path = snapshot.git_file(&name);
            send(snapshot, &path, kind, headers, with_body).await
        }
        What::Raw(path) => raw(snapshot, &path, headers, with_body).await,
    }
}

/// A file of `_working`, or the list of a directory.
async fn raw(
    snapshot: Arc<RepoSnapshot>,
    path: &[u8],
    headers: &HeaderMap,
    with_body: bool,
) -> Result<Response, Refusal> {
    if let Some(file) = snapshot.raw().get(path).copied() {
        let on_disk = snapshot.raw_file(file);
        return send(snapshot, &on_disk, type_of(path), headers, with_body).await;
    }
    let list = listing(snapshot.raw(), path);
    let list = list.ok_or_else(|| Refusal::not_found("File not found"))?;
    let length = list.len() as u64;
    let body = if with_body {
        Body::from(list)
    } else {
        Body::empty()
    };
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(file::answer(body, kind, length))
}

fn type_of(path: &[u8]) -> HeaderValue {
    let known = TYPES.iter().find(|(end, _)| path.ends_with(end));
    HeaderValue::from_static(known.map_or("application/octet-stream", |(_, kind)| kind))
}

/// The names in a directory, those of directories with a `/`, as `git show` lists
/// them; none where there is no such directory. The root is there even when empty.
fn listing(files: &RawFiles, dir: &[u8]) -> Option<Vec<u8>> {
    let mut prefix = dir.to_vec();
    if !dir.is_empty() {
        prefix.push(b'/');
    }
    let mut out = [b"tree _working:", dir, b"\n\n"].concat();
    let mut last: Option<&[u8]> = None;
    let below = files.range(prefix.clone()..);
    let below = below.map_while(|(path, _)| path.strip_prefix(prefix.as_slice()));
    for rest in below {
        let end = rest.iter().position(|byte| *byte == b'/');
        let name = rest.get(..end.map_or(rest.len(), |end| end + 1))?;
        if last != Some(name) {
            out.extend_from_slice(name);
            out.push(b'\n');
            last = Some(name);
        }
    }
    (last.is_some() || dir.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::super::import::RawFile;
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.insert(header::AUTHORIZATION, value);
        headers
    }

    #[test]
    fn a_token_comes_as_bearer_or_as_password() {
        let of = |value: &str| token(&headers(value));
        let basic = |login: &[u8]| of(&format!("Basic {}", STANDARD.encode(login)));
        assert_eq!(of("Bearer t0ken").as_deref(), Some("t0ken"));
        assert_eq!(of("bearer  t0ken ").as_deref(), Some("t0ken"));
        assert_eq!(basic(b"git:t0ken").as_deref(), Some("t0ken"));
        assert_eq!(basic(b":a:b").as_deref(), Some("a:b"));
        for none in ["", "t0ken", "Digest x", "Basic !", "Basic", "Bearer"] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(basic(b"nocolon"), None);
        assert_eq!(basic(b"\xff:x"), None);
        assert_eq!(token(&HeaderMap::new()), None);
        let mut two = headers("Bearer t0ken");
        two.append(
            header::AUTHORIZATION,
            HeaderValue::from_static("Bearer t0ken"),
        );
        assert_eq!(token(&two), None);
    }

    #[test]
    fn a_directory_lists_its_own_names_once() {
        let file = RawFile { number: 0, size: 1 };
        let files: RawFiles = ["a/x", "a/y/1", "a/y/2", "a-b", "ab/c", "a/z"]
            .map(|path| (path.as_bytes().to_vec(), file))
            .into();
        let list =
            |dir: &str| listing(&files, dir.as_bytes()).map(|l| String::from_utf8(l).unwrap());
        assert_eq!(list("a").as_deref(), Some("tree _working:a\n\nx\ny/\nz\n"));
        assert_eq!(
            list("").as_deref(),
            Some("tree _working:\n\na-b\na/\nab/\n")
        );
        assert_eq!(list("a/y").as_deref(), Some("tree _working:a/y\n\n1\n2\n"));
        for none in ["b", "a/x", "a/", "A"] {
            assert_eq!(list(none), None, "{none}");
        }
        let empty = listing(&RawFiles::new(), b"");
        assert_eq!(empty.as_deref(), Some(&b"tree _working:\n\n"[..]));
    }

    #[test]
    fn types_are_those_of_the_names() {
        assert_eq!(
            type_of(b"a/install.sh"),
            "text/x-shellscript; charset=utf-8"
        );
        assert_eq!(type_of(b"x.html"), "application/octet-stream");
        assert_eq!(type_of(b"README"), "application/octet-stream");
    }
}
