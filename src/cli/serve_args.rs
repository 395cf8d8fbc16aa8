//! `hl serve` and `hl spec` as clap sees them.

use std::net::IpAddr;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueHint};

use crate::app::serving::PORT;

/// `hl serve`
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Port to listen on; 0 is any free one
    #[arg(short, long, global = true, value_name = "PORT", default_value_t = PORT)]
    pub port: u16,
    /// Address to listen on
    #[arg(short, long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub bind: IpAddr,
    /// Certificate chain, PEM [default: one that signs itself, made at each start]
    #[arg(long, value_name = "FILE", requires = "key", value_hint = ValueHint::FilePath)]
    pub cert: Option<Utf8PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "cert", value_hint = ValueHint::FilePath)]
    pub key: Option<Utf8PathBuf>,
    /// Keep the certificate that signs itself in this directory
    #[arg(long, value_name = "DIR", conflicts_with = "cert", value_hint = ValueHint::DirPath)]
    pub cert_dir: Option<Utf8PathBuf>,
    /// What opens the repositories; other users can see it here, so rather `HL_REPO_TOKEN` or a file
    #[arg(long, value_name = "TOKEN")]
    pub repo_token: Option<String>,
    /// File that holds the repo token
    #[arg(long, value_name = "FILE", conflicts_with = "repo_token", value_hint = ValueHint::FilePath)]
    pub repo_token_file: Option<Utf8PathBuf>,
    /// Serve the known repositories that lie in this directory too
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub repos_dir: Option<Utf8PathBuf>,
    /// A repository that is not served; again for each
    #[arg(long, value_name = "NAME")]
    pub exclude: Vec<String>,
    /// Print a unit for systemd that runs this command, and end
    #[arg(long)]
    pub systemd: bool,
    #[command(subcommand)]
    pub verb: Option<ServeVerb>,
}

/// `hl serve ...`
#[derive(Debug, Subcommand)]
pub(super) enum ServeVerb {
    /// Whether the controller at the port answers, and what it does not serve
    Status(StatusArgs),
    /// A link that opens the page of the controller at the port once, within 5 minutes
    Login(LoginArgs),
    /// End every session of the page, and every link that was not used
    Logout,
}

/// `hl serve login`
#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// Also start, approve and stop runs there, not only look
    #[arg(long)]
    pub operate: bool,
}

/// `hl serve status`
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Another controller: https://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// SHA-256 of its certificate, as it was printed
    #[arg(long, value_name = "SHA256", requires = "url")]
    pub fingerprint: Option<String>,
}

/// `hl spec`
#[derive(Debug, Args)]
pub(super) struct SpecArgs {
    #[command(subcommand)]
    pub verb: SpecVerb,
}

/// `hl spec ...`
#[derive(Debug, Subcommand)]
pub(super) enum SpecVerb {
    /// Ask a controller for this machine's spec, and save it
    Get(SpecGetArgs),
}

/// `hl spec get`
#[derive(Debug, Args)]
pub(super) struct SpecGetArgs {
    /// The controller: https://HOST:PORT [default: `HOMESTAK_SPEC_SERVER`]
    #[arg(short, long, value_name = "URL")]
    pub server: Option<String>,
    /// Which spec [default: `HOMESTAK_IDENTITY`]
    #[arg(short, long, value_name = "NAME")]
    pub identity: Option<String>,
    /// What proves who asks; other users can see it here, so rather `HOMESTAK_AUTH_TOKEN`
    #[arg(short, long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Where it is saved; also --output FILE [default: spec.yaml in `HOMESTAK_ETC`/state, else in /usr/local/etc/homestak/state]
    #[arg(short = 'o', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<Utf8PathBuf>,
    /// Trust the authorities in this PEM file too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca_cert: Option<Utf8PathBuf>,
    /// Trust the one certificate with this SHA-256 fingerprint, as the controller printed it
    #[arg(long, value_name = "SHA256", conflicts_with_all = ["ca_cert", "insecure"])]
    pub fingerprint: Option<String>,
    /// Do not verify the certificate; also -k
    #[arg(long)]
    pub insecure: bool,
}
