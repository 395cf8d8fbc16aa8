//! Which machines answer on their ssh port: a connection, and no more. Who
//! logs in, and with which keys, is `ssh.wait`'s.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::action::at_once::at_once;
use crate::base::Cancel;
use crate::diag::StepError;

/// Where sshd listens.
pub(super) const PORT: u16 = 22;
/// How many are tried at once.
const AT_ONCE: usize = 16;
/// A packet may be lost, and an address may have to be looked up first.
const TRIES: u8 = 3;
/// For one try.
const CONNECT: Duration = Duration::from_secs(3);
/// Between two.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether each of these addresses answers, in their order; the error says why
/// it does not.
///
/// # Errors
/// The run is being stopped.
pub(super) fn answers(
    addresses: &[&str],
    port: u16,
    cancel: &Cancel,
) -> Result<Vec<Result<(), String>>, StepError> {
    let all = at_once(addresses, AT_ONCE, |address| one(address, port, cancel));
    all.into_iter().collect()
}

fn one(address: &str, port: u16, cancel: &Cancel) -> Result<Result<(), String>, StepError> {
    let Ok(ip) = address.parse::<IpAddr>() else {
        return Ok(Err(format!("`{address}` is no address")));
    };
    let target = SocketAddr::new(ip, port);
    let mut tried = 1;
    loop {
        match TcpStream::connect_timeout(&target, CONNECT) {
            Ok(_) => return Ok(Ok(())),
            Err(error) if tried == TRIES => return Ok(Err(error.kind().to_string())),
            Err(_) => tried += 1,
        }
        cancel.sleep(PAUSE)?;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_listens_answers_and_all_are_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut addresses = vec!["127.0.0.1"; 40];
        addresses.extend(["127.0.0.2", "nowhere"]);
        let answers = answers(&addresses, port, &Cancel::default()).unwrap();
        assert!(answers[..40].iter().all(Result::is_ok));
        assert_eq!(answers[40], Err("connection refused".to_owned()));
        assert_eq!(answers[41], Err("`nowhere` is no address".to_owned()));
    }
}
