//! A BMC: a small Redfish service with a machine behind it, and with the manners of a vendor.

mod service;
mod state;

pub use state::{Misbehaviour, State};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use sinter_firmware::{
    catalog::Catalog,
    certificate::Certificate,
    journal::Journal,
    plan::{self, Plan},
    profile::Profile,
    redfish::{
        client::{Access, Authentication, Client},
        machine::Machine,
    },
    vendor::VendorMap,
};
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub const USER: &str = "root";
pub const PASSWORD: &str = "a password with spaces";

/// A BMC that listens until it is dropped.
pub struct Bmc {
    pub url: String,
    /// Its certificate, where it speaks TLS.
    pub pem: Option<String>,
    state: Arc<Mutex<State>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Bmc {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Bmc {
    pub async fn start(state: State) -> Self {
        Self::listen(state, None).await
    }

    /// With a certificate of its own.
    pub async fn encrypted(state: State) -> Self {
        Self::listen(state, Some(generate_simple_self_signed(vec!["localhost".into()]).unwrap())).await
    }

    async fn listen(state: State, key: Option<CertifiedKey<rcgen::KeyPair>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(state));
        let router = Router::new().fallback(service::answer).with_state(state.clone());
        let pem = key.as_ref().map(|key| key.cert.pem());
        let tls = key.map(|key| {
            let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config =
                rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            let config = config.with_no_client_auth().with_single_cert(vec![key.cert.der().clone()], private).unwrap();
            TlsAcceptor::from(Arc::new(config))
        });
        let listening = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(connection(socket, tls.clone(), router.clone()));
            }
        });
        let scheme = if pem.is_some() { "https://localhost" } else { "http://127.0.0.1" };
        Self { url: format!("{scheme}:{port}"), pem, state, listening }
    }

    /// What is behind it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn access(&self) -> Access {
        Access {
            url: self.url.clone(),
            user: USER.into(),
            password: PASSWORD.to_owned().into(),
            authentication: Authentication::Session,
            authority: self.pem.as_ref().map(|pem| pem.as_bytes().to_vec()),
            timeout: Duration::from_secs(10),
        }
    }

    pub async fn client(&self) -> Client {
        Client::open(self.access()).await.unwrap()
    }
}

async fn connection(socket: TcpStream, tls: Option<TlsAcceptor>, router: Router) {
    let service = TowerToHyperService::new(router);
    // A client that goes away is no failure of the BMC.
    match tls {
        None => drop(http1::Builder::new().serve_connection(TokioIo::new(socket), service).await),
        Some(tls) => {
            let Ok(stream) = tls.accept(socket).await else { return };
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        }
    }
}

/// A machine that was read, and the plan for it.
pub struct Seen {
    pub machine: Machine,
    pub map: VendorMap,
    pub profile: Profile,
    pub certificates: Vec<Certificate>,
    pub plan: Plan,
}

impl Seen {
    pub async fn new(client: &Client, profile: &str) -> Self {
        Self::with(client, Catalog::shipped().unwrap().profile(profile).unwrap(), Vec::new()).await
    }

    pub async fn with(client: &Client, profile: Profile, certificates: Vec<Certificate>) -> Self {
        let machine = Machine::read(client, None).await.unwrap();
        let map = Catalog::shipped().unwrap().map(&profile, &machine.maker).unwrap().clone();
        let plan = plan::plan(&profile, &certificates, &map, &machine);
        Self { machine, map, profile, certificates, plan }
    }

    pub fn journal(&self, folder: &std::path::Path) -> Journal {
        Journal::open(folder, "bmc", &self.machine, "a test").unwrap()
    }
}

/// The names of what a plan would change.
pub fn changed(plan: &Plan) -> Vec<&str> {
    let is_change = |item: &&plan::Item| matches!(item.state, plan::State::Change(_));
    let mut names: Vec<_> = plan.items.iter().filter(is_change).map(|item| item.name.as_str()).collect();
    names.sort_unstable();
    names
}

/// How one thing stands in a plan.
pub fn state<'a>(plan: &'a Plan, name: &str) -> &'a plan::State {
    &plan.items.iter().find(|item| item.name == name).unwrap().state
}

/// The lines of an audit log.
pub fn audit(folder: &std::path::Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The rollback files in a folder.
pub fn rollbacks(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}
