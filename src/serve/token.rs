//! Tokens, compared by digest: neither length nor content of one can be measured.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The SHA-256 digest of a token. The token itself is not kept.
#[derive(Clone)]
pub(in crate::serve) struct Token([u8; 32]);

impl Token {
    /// Of the token's text.
    pub(in crate::serve) fn new(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Whether this is the same token; takes as long whatever was given.
    pub(in crate::serve) fn is(&self, given: &str) -> bool {
        Self::new(given).0.ct_eq(&self.0).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The `Authorization` of a request; none where there are several, of which nobody can
/// say which one counts.
pub(in crate::serve) fn authorization(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let only = all.next()?;
    all.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_is_the_same_token() {
        let token = Token::new("s3cret");
        assert!(token.is("s3cret"));
        for other in ["", "s3cre", "s3crets", "S3cret", " s3cret"] {
            assert!(!token.is(other), "{other}");
        }
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
