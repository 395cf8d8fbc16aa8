//! How long the head of a request may be: the same for both versions of HTTP. What the
//! library reads before it looks at a limit differs.

use http::Request;

/// Bytes of a head.
pub(super) const LONGEST: usize = 64 * 1024;
/// Fields of a head.
const FIELDS: usize = 100;

/// Whether the head is longer than those that are answered.
pub(super) fn is_too_long<B>(request: &Request<B>) -> bool {
    request.headers().len() > FIELDS || length(request) > LONGEST
}

/// The head as HTTP/1.1 writes it, without white space that may be left out.
fn length<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let scheme = uri
        .scheme_str()
        .map_or(0, |scheme| scheme.len() + "://".len());
    let authority = uri
        .authority()
        .map_or(0, |authority| authority.as_str().len());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let line = request.method().as_str().len() + scheme + authority + path;
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + "  HTTP/1.1\r\n".len() + fields.sum::<usize>() + "\r\n".len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_as_long_as_it_is_written() {
        let request = |fill: usize, fields: usize| {
            let mut request = Request::get("/a?b=c").header("host", "x");
            for _ in 1..fields {
                request = request.header("y", "z".repeat(fill));
            }
            request.body(()).unwrap()
        };
        let written = "GET /a?b=c HTTP/1.1\r\nhost: x\r\ny: zz\r\n\r\n";
        assert_eq!(length(&request(2, 2)), written.len());
        let rest = LONGEST - length(&request(0, 2));
        assert!(!is_too_long(&request(rest, 2)));
        assert!(is_too_long(&request(rest + 1, 2)));
        assert!(!is_too_long(&request(1, FIELDS)));
        assert!(is_too_long(&request(1, FIELDS + 1)));
    }
}
