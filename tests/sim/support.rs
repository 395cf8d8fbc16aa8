//! A running simulator and a client that trusts it.

use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use hl_sim::{
    Downloads, Faults, Guests, NoGuests, Running, Seed, SeedToken, Server, ServerConfig, Tls, World,
};
use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder, Response};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

pub(crate) const TOKEN: &str = "hl@pve!hl=11111111-2222-3333-4444-555555555555";

/// A simulator and a client for it.
pub(crate) struct Lab {
    pub(crate) running: Option<Running>,
    client: Client,
    token: String,
}

/// How a lab is started.
pub(crate) struct Setup<'a> {
    pub(crate) world: World,
    pub(crate) guests: Arc<dyn Guests>,
    pub(crate) faults: Faults,
    pub(crate) save_to: Option<&'a Path>,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            world: World::seeded(&seed()),
            guests: Arc::new(NoGuests),
            faults: Faults::default(),
            save_to: None,
        }
    }
}

/// The default node with a token that may do everything.
pub(crate) fn seed() -> Seed {
    let mut seed = Seed {
        downloads: Downloads::taken(),
        ..Seed::default()
    };
    let (id, secret) = TOKEN.split_once('=').unwrap();
    seed.tokens.push(SeedToken::administrator(id, secret));
    seed
}

pub(crate) fn lab(seed: &Seed) -> Lab {
    Setup {
        world: World::seeded(seed),
        ..Setup::default()
    }
    .start()
}

impl Setup<'_> {
    pub(crate) fn start(self) -> Lab {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            rustls::crypto::ring::default_provider()
                .install_default()
                .ok();
        });
        let running = Server::start(ServerConfig {
            tls: Tls::Authority(vec!["127.0.0.1".to_owned(), "pve.lab".to_owned()]),
            guests: self.guests,
            faults: self.faults,
            save_to: self.save_to.map(Path::to_owned),
            ..ServerConfig::new(self.world)
        })
        .unwrap();
        let ca = reqwest::Certificate::from_pem(running.ca_pem().as_bytes()).unwrap();
        let client = Client::builder()
            .tls_certs_only([ca])
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Lab {
            running: Some(running),
            client,
            token: TOKEN.to_owned(),
        }
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["data"].clone()
    }

    /// Asserts a failure by its status line.
    pub(crate) fn fails(&self, status: u16, reason: &str) {
        assert_eq!(
            (self.status, self.reason.as_str()),
            (status, reason),
            "{self:?}"
        );
    }
}

impl Lab {
    pub(crate) fn server(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// The same lab for another token.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}/api2/json{path}", self.server().addr())
    }

    /// One connection, without a client that could make a second one.
    pub(crate) fn tls(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.server().ca_pem().as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "pve.lab".try_into().unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        StreamOwned::new(session, TcpStream::connect(self.server().addr()).unwrap())
    }

    /// The client, for what is not the API.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A request without credentials.
    pub(crate) fn bare(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, self.url(path))
    }

    /// A request with the token.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.bare(method, path)
            .header("Authorization", format!("PVEAPIToken={}", self.token))
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        read(self.request("GET", path).send().unwrap())
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        read(self.request("DELETE", path).send().unwrap())
    }

    pub(crate) fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        read(self.request("POST", path).form(form).send().unwrap())
    }

    pub(crate) fn put(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        read(self.request("PUT", path).form(form).send().unwrap())
    }

    /// Waits for a task and returns how it ended.
    pub(crate) fn exit_of(&self, upid: &Value) -> String {
        let upid = upid.as_str().unwrap();
        let begun = Instant::now();
        loop {
            let status = self.get(&format!("/nodes/pve/tasks/{upid}/status")).data();
            if status["status"] == "stopped" {
                return status["exitstatus"].as_str().unwrap().to_owned();
            }
            assert!(begun.elapsed().as_secs() < 30, "task {upid} does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A task that has to end well.
    pub(crate) fn done(&self, reply: &Reply) {
        assert_eq!(self.exit_of(&reply.data()), "OK", "{reply:?}");
    }

    /// The lines of a task's log.
    pub(crate) fn log_of(&self, upid: &Value) -> Vec<String> {
        let path = format!("/nodes/pve/tasks/{}/log", upid.as_str().unwrap());
        let lines = self.get(&path).data();
        let text = |line: &Value| line["t"].as_str().unwrap().to_owned();
        lines.as_array().unwrap().iter().map(text).collect()
    }
}

pub(crate) fn read(response: Response) -> Reply {
    let status = response.status().as_u16();
    let reason = response
        .extensions()
        .get::<hyper::ext::ReasonPhrase>()
        .map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned())
        .unwrap_or_default();
    Reply {
        status,
        reason,
        body: response.text().unwrap(),
    }
}

/// Makes a template the way a lab does: from an image that was downloaded.
pub(crate) fn template(lab: &Lab, vmid: u32) {
    let image = [
        ("url", "https://cloud.example/debian.qcow2"),
        ("content", "import"),
        ("filename", "debian.qcow2"),
    ];
    lab.done(&lab.post("/nodes/pve/storage/local/download-url", &image));
    let id = vmid.to_string();
    let made = [
        ("vmid", id.as_str()),
        ("name", "base"),
        ("cores", "2"),
        ("memory", "1024"),
        ("agent", "1"),
        (
            "scsi0",
            "local-lvm:0,import-from=local:import/debian.qcow2,discard=on",
        ),
        ("ide2", "local-lvm:cloudinit"),
        ("net0", "virtio,bridge=vmbr0"),
    ];
    lab.done(&lab.post("/nodes/pve/qemu", &made));
    lab.done(&lab.post(&format!("/nodes/pve/qemu/{vmid}/template"), &[]));
}
