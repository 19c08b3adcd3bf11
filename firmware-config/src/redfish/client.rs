//! A client of one BMC. Bounded in time and in what it takes, follows no redirect, and sends the password to nobody else.

use crate::{error::FirmwareError, model::printable};
use flate2::read::GzDecoder;
use reqwest::{
    Certificate, Method, RequestBuilder, Response, StatusCode, Url,
    header::{self, HeaderMap},
    redirect::Policy,
};
use serde_json::{Value, json};
use std::{
    io::{self, Read},
    time::Duration,
};
use zeroize::Zeroizing;

/// Longest answer: attribute registries have about 2 MB.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// How often a read is tried while the BMC says that it is busy. What writes is never tried twice.
const TRIES: u32 = 3;
/// Longest wait that a busy BMC can ask for.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(5);
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
const ROOT: &str = "/redfish/v1/";

/// How a user shows who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// A session, which ends with the command: the password is sent once.
    #[default]
    Session,
    /// The password with each request.
    Basic,
}

/// A BMC, and who asks.
#[derive(Clone, Debug)]
pub struct Access {
    /// `https://` and the BMC's name or address.
    pub url: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Zeroizing<String>,
    /// How the user shows who they are.
    pub authentication: Authentication,
    /// Certificates in PEM that the BMC's own may be signed by; then no others count.
    pub authority: Option<Vec<u8>>,
    /// How long a request may take.
    pub timeout: Duration,
}

/// What a BMC answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status, one of success.
    pub status: u16,
    /// The JSON, null where there is none.
    pub body: Value,
    /// The resource's version.
    pub etag: Option<String>,
    /// Where what was made is: a task, a job, a certificate.
    pub location: Option<String>,
}

/// A client.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    user: String,
    password: Zeroizing<String>,
    timeout: Duration,
    session: Option<Session>,
}

#[derive(Debug)]
struct Session {
    token: Zeroizing<String>,
    path: Option<String>,
}

impl Client {
    /// Connects, and begins a session if that is wanted.
    ///
    /// # Errors
    /// When the address or the certificate is none, nobody answers, or the user is not let in.
    pub async fn open(access: Access) -> Result<Self, FirmwareError> {
        let base = address(&access.url)?;
        let refused = |reason: String| FirmwareError::Address { url: access.url.clone(), reason };
        let mut builder = reqwest::Client::builder()
            .timeout(access.timeout)
            .connect_timeout(access.timeout)
            .redirect(Policy::none())
            // A proxy would see the password of whoever uses plain HTTP, and BMCs stand in networks of their own.
            .no_proxy();
        if let Some(pem) = &access.authority {
            let roots =
                Certificate::from_pem_bundle(pem).map_err(|error| refused(format!("--ca: {}", told(&error))))?;
            if roots.is_empty() {
                return Err(refused("--ca: expected certificates in PEM, found none".into()));
            }
            builder = builder.tls_certs_only(roots);
        }
        let http = builder.build().map_err(|error| refused(told(&error)))?;
        let Access { user, password, timeout, .. } = access;
        let mut client = Self { http, base, user, password, timeout, session: None };
        if access.authentication == Authentication::Session {
            client.log_in().await?;
        }
        Ok(client)
    }

    /// The BMC's address, without what it takes to get in.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Ends the session. A BMC has few of them; one that is not ended blocks a place for some minutes.
    ///
    /// # Errors
    /// When the BMC does not take it.
    pub async fn close(mut self) -> Result<(), FirmwareError> {
        if let Some(path) = self.session.as_mut().and_then(|session| session.path.take()) {
            self.send(Method::DELETE, &path, None, None).await?;
        }
        Ok(())
    }

    async fn log_in(&mut self) -> Result<(), FirmwareError> {
        let credentials = json!({ "UserName": self.user, "Password": self.password.as_str() });
        let url = self.url(SESSIONS)?;
        let what = format!("POST {SESSIONS}");
        let sent = self.http.post(url).json(&credentials).send().await;
        let answer = sent.map_err(|error| self.failed(&what, &error))?;
        let token = answer.headers().get("x-auth-token").and_then(|token| token.to_str().ok()).map(str::to_owned);
        // Somebody who may not log in is told so in several ways.
        if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&answer.status()) {
            return Err(FirmwareError::NotAllowedIn { user: self.user.clone() });
        }
        let answer = self.answer(&what, answer).await?;
        let Some(token) = token else {
            return Err(FirmwareError::malformed(what, "a session's X-Auth-Token", "an answer without it"));
        };
        let path = answer.location.as_deref().and_then(|location| self.path_of(location));
        self.session = Some(Session { token: Zeroizing::new(token), path });
        Ok(())
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// When it is not there, or no JSON.
    pub async fn get(&self, path: &str) -> Result<Answer, FirmwareError> {
        self.send(Method::GET, path, None, None).await
    }

    /// Reads a resource that a BMC need not have.
    ///
    /// # Errors
    /// As [`Client::get`], but for a resource that is not there.
    pub async fn find(&self, path: &str) -> Result<Option<Answer>, FirmwareError> {
        match self.get(path).await {
            Err(FirmwareError::Refused { status: 404 | 405 | 501, .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Changes a resource, if it is still the version that was read.
    ///
    /// # Errors
    /// When the BMC refuses, and with [`FirmwareError::Changed`] when somebody else was faster.
    pub async fn patch(&self, path: &str, body: &Value, etag: Option<&str>) -> Result<Answer, FirmwareError> {
        self.send(Method::PATCH, path, Some(body), etag).await
    }

    /// Makes something, or does something.
    ///
    /// # Errors
    /// When the BMC refuses.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, FirmwareError> {
        self.send(Method::POST, path, Some(body), None).await
    }

    /// Removes something.
    ///
    /// # Errors
    /// When the BMC refuses.
    pub async fn delete(&self, path: &str) -> Result<Answer, FirmwareError> {
        self.send(Method::DELETE, path, None, None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<Answer, FirmwareError> {
        let what = format!("{method} {}", printable(path));
        let url = self.url(path)?;
        let mut tries = if method == Method::GET { TRIES } else { 1 };
        loop {
            tries -= 1;
            let request = self.authenticated(self.http.request(method.clone(), url.clone()));
            let request = request.header(header::ACCEPT, "application/json").header("OData-Version", "4.0");
            let request = match (body, etag) {
                (Some(body), Some(etag)) => request.header(header::IF_MATCH, etag).json(body),
                (Some(body), None) => request.json(body),
                (None, _) => request,
            };
            let answer = request.send().await.map_err(|error| self.failed(&what, &error))?;
            if answer.status() != StatusCode::SERVICE_UNAVAILABLE || tries == 0 {
                return self.answer(&what, answer).await;
            }
            tokio::time::sleep(busy_wait(answer.headers())).await;
        }
    }

    fn authenticated(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.session {
            Some(session) => request.header("X-Auth-Token", session.token.as_str()),
            None => request.basic_auth(&self.user, Some(self.password.as_str())),
        }
    }

    /// The address of a path, which must be one: a BMC whose links lead elsewhere would be sent the token there.
    fn url(&self, path: &str) -> Result<Url, FirmwareError> {
        let joined = self.base.join(path).ok().filter(|url| url.origin() == self.base.origin());
        match joined {
            Some(url) if path.starts_with('/') => Ok(url),
            _ => Err(FirmwareError::malformed("a link", "a path on this BMC", format!("{:?}", printable(path)))),
        }
    }

    /// The path in a `Location`, if it is on this BMC.
    fn path_of(&self, location: &str) -> Option<String> {
        let url = self.base.join(location).ok()?;
        (url.origin() == self.base.origin()).then(|| url.path().to_owned())
    }

    async fn answer(&self, what: &str, answer: Response) -> Result<Answer, FirmwareError> {
        let status = answer.status();
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (etag, location) = (text(header::ETAG), text(header::LOCATION));
        let encoding = text(header::CONTENT_ENCODING);
        if status.is_redirection() {
            let to = printable(location.as_deref().unwrap_or("nowhere"));
            return Err(FirmwareError::Redirected { what: what.to_owned(), to });
        }
        let bytes = self.bounded(what, answer).await?;
        let bytes = match encoding.as_deref() {
            None | Some("identity") => bytes,
            Some("gzip") => unpacked(what, &bytes)?,
            Some(other) => {
                return Err(FirmwareError::malformed(what, "an answer as it is, or gzip", printable(other)));
            }
        };
        if !status.is_success() {
            return Err(match status {
                StatusCode::PRECONDITION_FAILED => FirmwareError::Changed { what: what.to_owned() },
                StatusCode::UNAUTHORIZED => FirmwareError::NotAllowedIn { user: self.user.clone() },
                StatusCode::FORBIDDEN => FirmwareError::Forbidden { what: what.to_owned(), user: self.user.clone() },
                _ => FirmwareError::Refused {
                    what: what.to_owned(),
                    status: status.as_u16(),
                    message: complaint(&serde_json::from_slice(&bytes).unwrap_or(Value::Null)),
                },
            });
        }
        let is_empty = bytes.iter().all(u8::is_ascii_whitespace);
        let parsed = if is_empty { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
        let body = parsed.map_err(|error| FirmwareError::malformed(what, "JSON", error.to_string()))?;
        // Some BMCs have the version in the document alone.
        let etag = etag.or_else(|| body.get("@odata.etag").and_then(Value::as_str).map(str::to_owned));
        Ok(Answer { status: status.as_u16(), body, etag, location })
    }

    async fn bounded(&self, what: &str, mut answer: Response) -> Result<Vec<u8>, FirmwareError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failed(what, &error))? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(FirmwareError::TooLarge { what: what.to_owned(), bytes_max: ANSWER_BYTES_MAX });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn failed(&self, what: &str, error: &reqwest::Error) -> FirmwareError {
        if error.is_timeout() {
            return FirmwareError::TimedOut { what: what.to_owned(), timeout_s: self.timeout.as_secs() };
        }
        FirmwareError::Unreachable { what: format!("{what} at {}", self.address()), reason: told(error) }
    }

    /// Reads the service's root, which takes nobody's password.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn root(&self) -> Result<Answer, FirmwareError> {
        self.get(ROOT).await
    }
}

/// The address that somebody gave. The password travels encrypted, or does not leave the machine.
fn address(text: &str) -> Result<Url, FirmwareError> {
    let refused = |reason: &str| FirmwareError::Address { url: text.to_owned(), reason: reason.to_owned() };
    let url = Url::parse(text).map_err(|_| refused("expected https:// and the BMC's name or address"))?;
    let host = url.host_str().unwrap_or_default();
    let here =
        host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if here => {}
        "http" => return Err(refused("plain http would show the password to the network: use https")),
        _ => return Err(refused("expected https:// and the BMC's name or address")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FirmwareError::Address {
            url: format!("{}://…@{host}", url.scheme()),
            reason: "the password does not belong in the address, where every process sees it: use --user and --password-file".into(),
        });
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(refused("expected nothing after the name: paths are found by themselves"));
    }
    Ok(url)
}

fn busy_wait(headers: &HeaderMap) -> Duration {
    let asked = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    asked.map_or(Duration::from_millis(500), Duration::from_secs).min(BUSY_WAIT_MAX)
}

/// iLO sends its registries packed, whatever it is asked.
fn unpacked(what: &str, bytes: &[u8]) -> Result<Vec<u8>, FirmwareError> {
    let mut unpacked = Vec::new();
    let limit = ANSWER_BYTES_MAX as u64 + 1;
    let read: io::Result<usize> = GzDecoder::new(bytes).take(limit).read_to_end(&mut unpacked);
    read.map_err(|error| FirmwareError::malformed(what, "gzip", error.to_string()))?;
    if unpacked.len() > ANSWER_BYTES_MAX {
        return Err(FirmwareError::TooLarge { what: what.to_owned(), bytes_max: ANSWER_BYTES_MAX });
    }
    Ok(unpacked)
}

/// What a Redfish error says, and what it advises.
fn complaint(body: &Value) -> String {
    const MESSAGES_MAX: usize = 4;
    let error = &body["error"];
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty() && *text != "None.").map(str::to_owned);
    let messages = error["@Message.ExtendedInfo"].as_array().into_iter().flatten().take(MESSAGES_MAX);
    let mut told: Vec<_> = messages
        .filter_map(|message| {
            let said = text(&message["Message"]).or_else(|| text(&message["MessageId"]))?;
            Some([Some(said), text(&message["Resolution"])].into_iter().flatten().collect::<Vec<_>>().join(" "))
        })
        .collect();
    if told.is_empty() {
        told.extend(text(&error["message"]));
    }
    if told.is_empty() { "no reason given".into() } else { printable(&told.join(" ")) }
}

/// An error and its causes, without the address, which the caller names.
fn told(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = if text.is_empty() { words } else { format!("{text}: {words}") };
        }
        cause = error.source();
    }
    if text.is_empty() { error.to_string() } else { printable(&text) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn passwords_are_not_shown_to_the_network() {
        for url in ["https://bmc.example", "https://[2001:db8::1]:8443/", "http://127.0.0.1:8000", "http://[::1]:80"] {
            assert!(address(url).is_ok(), "{url}");
        }
        for url in ["http://bmc.example", "ftp://bmc.example", "bmc.example", "https://bmc.example/redfish/v1"] {
            assert!(address(url).is_err(), "{url}");
        }
        let error = address("https://root:calvin@bmc.example").unwrap_err().to_string();
        assert!(!error.contains("calvin") && error.contains("--password-file"), "{error}");
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        use flate2::{Compression, write::GzEncoder};
        use std::io::Write;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b' '; ANSWER_BYTES_MAX + 2]).unwrap();
        let error = unpacked("GET /", &encoder.finish().unwrap()).unwrap_err();
        assert!(matches!(error, FirmwareError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn complaints_are_what_the_bmc_says() {
        let body = json!({"error": {"message": "see", "@Message.ExtendedInfo": [
            {"Message": "The value Maybe is not in the list.", "Resolution": "Choose one of it."},
            {"MessageId": "Base.1.0.Other", "Resolution": "None."},
        ]}});
        assert_eq!(complaint(&body), "The value Maybe is not in the list. Choose one of it. Base.1.0.Other");
        assert_eq!(complaint(&Value::Null), "no reason given");
    }
}
