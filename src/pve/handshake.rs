//! Bare connections, below any call: is somebody there, and what certificate
//! do they show?

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use rustls_pki_types::CertificateDer;

use super::settings::Settings;
use super::tls::{self, LastShown};
use super::{Endpoint, Error, Fingerprint, Policy, TlsProblem, Unreachable};

const LIMIT: Duration = Duration::from_secs(5);

/// What a server's certificate turned out to be.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Why clients that verify by the rules would refuse it although it is
    /// trusted here as such: packer, tofu and Python check name and dates of a
    /// pinned certificate too.
    pub objection: Option<TlsProblem>,
    pub(super) certificate: CertificateDer<'static>,
}

/// Opens and closes a TCP connection.
pub fn reach(endpoint: &Endpoint) -> Result<(), Error> {
    connect(endpoint).map(drop)
}

/// Shakes hands by the settings' own policy, and says what was shown.
pub fn inspect(settings: &Settings) -> Result<Inspection, Error> {
    shake(settings, settings.policy)
}

/// As [`inspect`], judging by `policy`.
pub(super) fn shake(settings: &Settings, policy: Policy) -> Result<Inspection, Error> {
    let endpoint = &settings.endpoint;
    let shown = LastShown::default();
    let failed = |error: &rustls::Error| {
        let last = tls::last(&shown);
        Error::Tls {
            endpoint: endpoint.to_string(),
            problem: last
                .as_ref()
                .and_then(|shown| shown.problem.clone())
                .unwrap_or_else(|| tls::problem(error)),
            fingerprint: last.map(|shown| Fingerprint::of(&shown.certificate)),
        }
    };
    let mut socket = connect(endpoint)?;
    let config = tls::config(policy, &settings.authorities, shown.clone())
        .map_err(|error| failed(&error))?;
    let name = endpoint.server_name().ok_or_else(|| Error::Unreachable {
        endpoint: endpoint.to_string(),
        reason: Unreachable::UnknownHost,
    })?;
    let mut session =
        ClientConnection::new(Arc::new(config), name.clone()).map_err(|error| failed(&error))?;
    while session.is_handshaking() {
        if let Err(error) = session.complete_io(&mut socket) {
            return Err(match tls_error(&error) {
                Some(error) => failed(error),
                None => unreachable(endpoint, &error),
            });
        }
    }
    let Some(last) = tls::last(&shown) else {
        return Err(failed(&rustls::Error::NoCertificatesPresented));
    };
    Ok(Inspection {
        fingerprint: Fingerprint::of(&last.certificate),
        objection: match policy {
            Policy::Pinned(_) => tls::objection(&last.certificate, &name),
            Policy::Roots | Policy::Insecure => None,
        },
        certificate: last.certificate,
    })
}

fn connect(endpoint: &Endpoint) -> Result<TcpStream, Error> {
    let unknown = || Error::Unreachable {
        endpoint: endpoint.to_string(),
        reason: Unreachable::UnknownHost,
    };
    let addresses = (endpoint.host(), endpoint.port())
        .to_socket_addrs()
        .map_err(|_| unknown())?;
    let mut result = Err(unknown());
    for address in addresses {
        let socket = TcpStream::connect_timeout(&address, LIMIT).and_then(|socket| {
            socket.set_read_timeout(Some(LIMIT))?;
            socket.set_write_timeout(Some(LIMIT))?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => return Ok(socket),
            Err(error) => result = Err(unreachable(endpoint, &error)),
        }
    }
    result
}

fn unreachable(endpoint: &Endpoint, error: &io::Error) -> Error {
    use io::ErrorKind::{ConnectionRefused, TimedOut, WouldBlock};
    let kind = error.kind();
    let reason = if kind == ConnectionRefused {
        Unreachable::Refused
    } else if kind == TimedOut || kind == WouldBlock {
        Unreachable::Timeout
    } else {
        Unreachable::Other(error.to_string())
    };
    Error::Unreachable {
        endpoint: endpoint.to_string(),
        reason,
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    /// A server on loopback with a certificate for these names.
    fn serve(names: &[&str], authority: bool) -> (u16, CertificateDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let session = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(session, socket.unwrap());
                let mut byte = [0];
                if stream.read(&mut byte).is_ok() {
                    stream.flush().unwrap_or_default();
                }
            }
        });
        (port, certificate)
    }

    fn settings(port: u16, authorities: &[CertificateDer<'static>]) -> Settings {
        Settings {
            endpoint: Endpoint::parse(&format!("127.0.0.1:{port}")).unwrap(),
            token_id: "hl@pve!hl".to_owned(),
            token_secret: "x".to_owned(),
            policy: Policy::Roots,
            pinned: None,
            authorities: authorities.to_vec(),
        }
    }

    fn problem(result: Result<Inspection, Error>) -> (TlsProblem, Option<Fingerprint>) {
        match result {
            Err(Error::Tls {
                problem,
                fingerprint,
                ..
            }) => (problem, fingerprint),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_self_signed_certificate_is_refused_with_its_fingerprint() {
        for authority in [false, true] {
            let (port, certificate) = serve(&["127.0.0.1"], authority);
            let print = Fingerprint::of(&certificate);
            let mut settings = settings(port, &[]);
            let refused = problem(inspect(&settings));
            assert_eq!(refused, (TlsProblem::UnknownIssuer, Some(print)));
            settings.authorities = vec![certificate];
            assert_eq!(inspect(&settings).unwrap().fingerprint, print);
        }
    }

    #[test]
    fn a_trusted_certificate_for_another_host_is_refused() {
        for authority in [false, true] {
            let (port, certificate) = serve(&["pve.lab", "10.0.0.1"], authority);
            let refused = problem(inspect(&settings(port, &[certificate])));
            let presented = vec!["pve.lab".to_owned(), "10.0.0.1".to_owned()];
            assert_eq!(refused.0, TlsProblem::WrongName { presented });
        }
    }

    #[test]
    fn a_pinned_certificate_is_taken_and_its_name_objected_to() {
        let (port, certificate) = serve(&["pve.lab"], false);
        let print = Fingerprint::of(&certificate);
        let mut settings = settings(port, &[]);
        settings.policy = Policy::Pinned(print);
        let objection = inspect(&settings).unwrap().objection;
        let presented = vec!["pve.lab".to_owned()];
        assert_eq!(objection, Some(TlsProblem::WrongName { presented }));

        let other = Fingerprint::of(b"another");
        settings.policy = Policy::Pinned(other);
        let refused = problem(inspect(&settings));
        let expected = TlsProblem::NotThePinned { pinned: other };
        assert_eq!(refused, (expected, Some(print)));
    }

    #[test]
    fn a_pinned_certificate_with_the_right_name_is_fine() {
        let (port, certificate) = serve(&["127.0.0.1"], false);
        let mut settings = settings(port, &[]);
        settings.policy = Policy::Pinned(Fingerprint::of(&certificate));
        assert_eq!(inspect(&settings).unwrap().objection, None);
    }

    #[test]
    fn what_is_not_tls_is_said_to_be_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                let mut hello = [0; 512];
                let got = socket.read(&mut hello).unwrap_or(0);
                assert!(got > 0);
                socket
                    .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    .unwrap();
            }
        });
        let (problem, print) = problem(inspect(&settings(port, &[])));
        assert!(matches!(problem, TlsProblem::Protocol(_)), "{problem:?}");
        assert_eq!(print, None);
    }

    #[test]
    fn a_closed_port_is_refused() {
        let (_closed, address) = crate::base::closed_port();
        let error = reach(&settings(address.port(), &[]).endpoint).unwrap_err();
        let reason = Unreachable::Refused;
        assert!(matches!(error, Error::Unreachable { reason: r, .. } if r == reason));
    }
}
