//! Who is asking: API tokens, tickets, passwords.

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::hex;
use super::world::World;

/// How long a ticket lives, in seconds.
const TICKET_LIFE: i64 = 2 * 60 * 60;

/// Who was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// `name@realm` or `name@realm!token`.
    pub(super) id: String,
}

impl Identity {
    /// Whether it is a token.
    pub(super) fn is_token(&self) -> bool {
        self.id.contains('!')
    }

    /// Without the token.
    pub(super) fn user(&self) -> &str {
        self.id.split('!').next().unwrap_or_default()
    }
}

/// What a request shows of itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Credentials<'a> {
    pub(super) authorization: Option<&'a str>,
    pub(super) cookie: Option<&'a str>,
    pub(super) csrf: Option<&'a str>,
}

/// Recognises a request. `writes` asks tickets for the token against forged
/// requests, too.
pub(super) fn identify(
    world: &World,
    given: Credentials<'_>,
    writes: bool,
) -> Result<Identity, ApiError> {
    let token = given
        .authorization
        .and_then(|text| text.strip_prefix("PVEAPIToken"));
    if let Some(rest) = token {
        return by_token(world, rest);
    }
    let ticket = given.cookie.and_then(|text| {
        text.split(';')
            .find_map(|part| part.trim().strip_prefix("PVEAuthCookie="))
    });
    let Some(ticket) = ticket else {
        return Err(ApiError::unauthenticated("No ticket"));
    };
    let ticket = percent_decode_str(ticket.trim_matches('"')).decode_utf8_lossy();
    let Some(user) = check_ticket(world, &ticket) else {
        return Err(ApiError::unauthenticated(
            "permission denied - invalid PVE ticket",
        ));
    };
    if writes
        && !given
            .csrf
            .is_some_and(|csrf| check_csrf(world, csrf, &user))
    {
        return Err(ApiError::unauthenticated(
            "Permission denied - invalid csrf token",
        ));
    }
    Ok(Identity { id: user })
}

/// Logs a user in by password, or by a ticket that still holds.
pub(super) fn login(world: &World, user: &str, password: &str) -> Result<(), ApiError> {
    let failed = || ApiError::new(401, "authentication failure");
    let known = world.users.get(user).ok_or_else(failed)?;
    let by_password = known.password.as_deref().is_some_and(|own| own == password);
    let by_ticket = check_ticket(world, password).is_some_and(|owner| owner == user);
    if known.is_active(world.now()) && (by_password || by_ticket) {
        Ok(())
    } else {
        Err(failed())
    }
}

/// A ticket for a user, as of now.
pub(super) fn ticket(world: &World, user: &str) -> String {
    let stamp = format!("{:08X}", world.now());
    let signature = sign(world, &format!("{user}:{stamp}"));
    format!("PVE:{user}:{stamp}::{signature}")
}

/// The token against forged requests that goes with a ticket.
pub(super) fn csrf(world: &World, user: &str) -> String {
    let stamp = format!("{:08X}", world.now());
    let signature = sign(world, &format!("csrf:{user}:{stamp}"));
    format!("{stamp}:{signature}")
}

fn by_token(world: &World, rest: &str) -> Result<Identity, ApiError> {
    let refused = |text: String| Err(ApiError::unauthenticated(&text));
    let text = rest.trim_start_matches(['=', ' ']);
    let text = percent_decode_str(text).decode_utf8_lossy();
    let Some((id, secret)) = text.split_once('=') else {
        return refused("no tokenid specified".to_owned());
    };
    let Some((user, name)) = id.split_once('!') else {
        return refused(format!("unable to parse token ID '{id}'"));
    };
    let now = world.now();
    match world.users.get(user) {
        None => return refused(format!("no such user ('{user}')")),
        Some(known) if !known.enabled => return refused(format!("user '{user}' is disabled")),
        Some(known) if known.is_expired(now) => {
            return refused(format!("user '{user}' access expired"));
        }
        Some(_) => {}
    }
    match world.tokens.get(id) {
        Some(token) if token.expire != 0 && token.expire <= now => {
            refused(format!("token '{id}' access expired"))
        }
        None => refused(format!("no such token '{name}' for user '{user}'")),
        Some(token) if token.secret != secret => refused("invalid token value!".to_owned()),
        Some(_) => Ok(Identity { id: id.to_owned() }),
    }
}

fn check_ticket(world: &World, ticket: &str) -> Option<String> {
    let rest = ticket.strip_prefix("PVE:")?;
    let (plain, signature) = rest.split_once("::")?;
    let (user, stamp) = plain.rsplit_once(':')?;
    let made = fresh(world, stamp)?;
    let expected = sign(world, &format!("{user}:{made:08X}"));
    let enabled = world
        .users
        .get(user)
        .is_some_and(|user| user.is_active(world.now()));
    (enabled && signature == expected).then(|| user.to_owned())
}

fn check_csrf(world: &World, token: &str, user: &str) -> bool {
    let token = percent_decode_str(token).decode_utf8_lossy();
    let Some((stamp, signature)) = token.split_once(':') else {
        return false;
    };
    fresh(world, stamp)
        .is_some_and(|made| signature == sign(world, &format!("csrf:{user}:{made:08X}")))
}

fn fresh(world: &World, stamp: &str) -> Option<i64> {
    let made = i64::from_str_radix(stamp, 16).ok()?;
    // Clocks may differ a little, as on a real node.
    (-300..TICKET_LIFE)
        .contains(&(world.now() - made))
        .then_some(made)
}

fn sign(world: &World, text: &str) -> String {
    hex::lower(&Sha256::digest(format!("{0}\n{text}\n{0}", world.secret)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, SeedToken, SeedUser};

    fn world() -> World {
        let mut seed = Seed {
            clock: Some(1_700_000_000),
            ..Seed::default()
        };
        seed.tokens
            .push(SeedToken::administrator("hl@pve!hl", "s3cret-1"));
        seed.users.push(SeedUser {
            id: "me@pam".to_owned(),
            password: Some("pass".to_owned()),
            grants: Vec::new(),
        });
        World::seeded(&seed)
    }

    fn token(world: &World, text: &str) -> Result<Identity, ApiError> {
        let given = Credentials {
            authorization: Some(text),
            ..Credentials::default()
        };
        identify(world, given, true)
    }

    #[test]
    fn tokens() {
        let world = world();
        for good in [
            "PVEAPIToken=hl@pve!hl=s3cret-1",
            "PVEAPIToken hl@pve!hl=s3cret-1",
            "PVEAPIToken=hl%40pve%21hl=s3cret-1",
        ] {
            let who = token(&world, good).unwrap();
            assert_eq!((who.id.as_str(), who.user()), ("hl@pve!hl", "hl@pve"));
        }
        for (bad, text) in [
            ("PVEAPIToken=hl@pve!hl=no", "invalid token value!"),
            (
                "PVEAPIToken=hl@pve!x=no",
                "no such token 'x' for user 'hl@pve'",
            ),
            ("Basic abc", "No ticket"),
        ] {
            let error = token(&world, bad).unwrap_err();
            assert_eq!((error.status, error.bare), (401, true));
            assert_eq!(error.message, text);
        }
    }

    #[test]
    fn tickets_age_and_writes_want_more() {
        let mut world = world();
        assert!(login(&world, "me@pam", "wrong").is_err());
        login(&world, "me@pam", "pass").unwrap();
        let cookie = format!(
            "a=b; PVEAuthCookie={}",
            ticket(&world, "me@pam").replace(':', "%3A")
        );
        let csrf = csrf(&world, "me@pam");
        let given = Credentials {
            cookie: Some(&cookie),
            ..Credentials::default()
        };
        assert_eq!(identify(&world, given, false).unwrap().id, "me@pam");
        let error = identify(&world, given, true).unwrap_err();
        assert!(error.message.contains("csrf"), "{error:?}");
        let full = Credentials {
            csrf: Some(&csrf),
            ..given
        };
        identify(&world, full, true).unwrap();
        login(&world, "me@pam", &ticket(&world, "me@pam")).unwrap();
        world.clock = Some(1_700_000_000 + TICKET_LIFE);
        assert!(identify(&world, full, false).is_err());
    }
}
