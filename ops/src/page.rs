//! The dashboard that a machine serves by itself: one page, made from the list of metrics, and a WebSocket with its numbers.
//!
//! | path | what |
//! |---|---|
//! | `/dashboard` | the page; nothing in it is loaded from elsewhere |
//! | `/dashboard/live` | a WebSocket: every second the machine's own `/metrics`, of those that the page shows |
//!
//! Nobody can change anything through it, and it shows what `/metrics` shows: keep both where the same people may look.

use crate::metrics::{Kind, METRICS, Machine, Metric, Unit};
use axum::{
    Extension, Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use std::{
    any::Any,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{MissedTickBehavior, interval, timeout},
};

/// People who may look at once.
const VIEWERS_MAX: usize = 16;
/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a viewer may take nothing of what is sent to it.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// A viewer has nothing to say.
const MESSAGE_BYTES_MAX: usize = 1024;
/// The page may run its own script, and reach its own machine alone.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TEMPLATE: &str = include_str!("../page/index.html");
/// What stands in the template for the list.
const PLACE: &str = "/*PAGE*/null";

/// What answers requests for the dashboard.
pub type Routes = Router;

/// Gives the machine's metrics in Prometheus's text format. It may block for a moment.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// What a connection's owner wants to be held for as long as somebody looks: an extension of the request.
#[derive(Clone)]
pub struct Held(pub Arc<dyn Any + Send + Sync>);

/// What was shown, and when.
type Numbers = (Instant, Arc<str>);

/// Everything that a look may need.
#[derive(Clone)]
struct Page {
    machine: Machine,
    html: Arc<str>,
    render: Render,
    viewers: Arc<Semaphore>,
    /// The last numbers and their time: many viewers cost no more than one.
    last: Arc<Mutex<Option<Numbers>>>,
}

/// The paths of the dashboard of a machine.
pub fn routes(machine: Machine, render: Render) -> Routes {
    let page = Page {
        machine,
        html: html(machine).into(),
        render,
        viewers: Arc::new(Semaphore::new(VIEWERS_MAX)),
        last: Arc::default(),
    };
    Router::new().route("/dashboard", get(look)).route("/dashboard/live", get(live)).with_state(page)
}

/// The page of a machine.
#[must_use]
pub fn html(machine: Machine) -> String {
    let metrics: Vec<Value> = METRICS.iter().filter(|metric| metric.machine == machine).map(entry).collect();
    TEMPLATE.replacen(PLACE, &json!({ "machine": machine.name(), "metrics": metrics }).to_string(), 1)
}

fn entry(metric: &Metric) -> Value {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let unit = match metric.unit {
        Unit::Count => "count",
        Unit::Bytes => "bytes",
        Unit::Seconds => "seconds",
        Unit::Flag => "flag",
        Unit::Wei => "wei",
    };
    let Metric { name, labels, row, about, .. } = metric;
    json!({ "name": name, "kind": kind, "unit": unit, "labels": labels, "row": row, "about": about })
}

async fn look(State(page): State<Page>) -> Response {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page.html.to_string())).into_response()
}

async fn live(
    State(page): State<Page>,
    held: Option<Extension<Held>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    // Browsers let any page open a WebSocket anywhere. Who has looked at the request already says so by what is held.
    if held.is_none() && headers.contains_key(header::ORIGIN) && !is_own(&headers) {
        return (StatusCode::FORBIDDEN, "this web page is not the machine's own\n").into_response();
    }
    let Ok(place) = page.viewers.clone().try_acquire_owned() else {
        let text = format!("{VIEWERS_MAX} people look at this machine already\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(move |socket| send(page, socket, place, held))
}

/// Whether a request comes from a page of the host that it asks: its origin says so. Names do not count, which anybody can have point
/// here.
#[must_use]
pub fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (origin, host) = (text(header::ORIGIN), text(header::HOST));
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).unwrap_or_default();
    let is_local = authority.split(':').next() == Some("localhost");
    let address = authority.trim_matches(['[', ']']);
    let is_address = authority.parse::<SocketAddr>().is_ok() || address.parse::<IpAddr>().is_ok();
    authority == host && (is_local || is_address)
}

/// Sends the numbers until the viewer is gone.
async fn send(page: Page, mut socket: WebSocket, _place: OwnedSemaphorePermit, _held: Option<Extension<Held>>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let Some(text) = page.numbers().await else { return };
                let sent = timeout(SEND_TIMEOUT, socket.send(Message::Text(text.as_ref().into()))).await;
                if !matches!(sent, Ok(Ok(()))) {
                    return;
                }
            },
            // Pings are answered while it is read; whatever else a viewer says is nothing to us.
            heard = socket.recv() => if !matches!(heard, Some(Ok(_))) {
                return;
            },
        }
    }
}

impl Page {
    /// The machine's numbers, at most a second old. None when they cannot be had.
    async fn numbers(&self) -> Option<Arc<str>> {
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, text)) = &*last()
            && at.elapsed() < INTERVAL / 2
        {
            return Some(text.clone());
        }
        let (render, machine) = (self.render.clone(), self.machine);
        let text: Arc<str> = tokio::task::spawn_blocking(move || shown(machine, &render())).await.ok()?.into();
        *last() = Some((Instant::now(), text.clone()));
        Some(text)
    }
}

/// Of an exposition, what the page of a machine shows.
fn shown(machine: Machine, exposition: &str) -> String {
    let mut text = String::new();
    for line in exposition.lines() {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let listed = |metric: &Metric| match metric.kind {
            Kind::Histogram => name.strip_suffix("_bucket") == Some(metric.name),
            Kind::Counter | Kind::Gauge => name == metric.name,
        };
        if METRICS.iter().any(|metric| metric.machine == machine && listed(metric)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_its_machines_metrics_and_loads_nothing() {
        for machine in Machine::ALL {
            let html = html(machine);
            assert!(!html.contains(PLACE));
            for metric in METRICS {
                let quoted = format!("\"{}\"", metric.name);
                assert!(metric.machine != machine || html.contains(&quoted), "{quoted} of {machine:?}");
            }
            for elsewhere in ["src=", "@import", "url(", "<link"] {
                assert!(!html.contains(elsewhere), "{elsewhere}");
            }
        }
    }

    #[test]
    fn a_page_of_another_host_is_no_page_of_this_machine() {
        let own = |origin: &str, host: &str| {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::ORIGIN, origin), (header::HOST, host)] {
                headers.extend(value.parse().ok().map(|value| (name, value)));
            }
            is_own(&headers)
        };
        for host in ["127.0.0.1:7001", "[::1]:7001", "10.0.0.7", "localhost:7001"] {
            assert!(own(&format!("http://{host}"), host) && own(&format!("https://{host}"), host), "{host}");
        }
        for (origin, host) in [
            ("http://evil.example", "127.0.0.1:7001"),
            // A name that was made to point here.
            ("http://evil.example:7001", "evil.example:7001"),
            ("http://localhost.evil.example:7001", "localhost.evil.example:7001"),
            ("http://127.0.0.1:7002", "127.0.0.1:7001"),
            ("null", "127.0.0.1:7001"),
            ("", ""),
        ] {
            assert!(!own(origin, host), "{origin} at {host}");
        }
    }

    #[test]
    fn what_the_page_does_not_show_is_not_sent() {
        let exposition = "# TYPE sinter_peers gauge\nsinter_peers 3\nsinter_peers_of_mine 4\nother 1\n\
                          sinter_finality_seconds_bucket{le=\"1\"} 2\nsinter_finality_seconds_sum 2\n";
        let text = shown(Machine::Sequencer, exposition);
        assert!(text.starts_with("sinter_peers 3\n") && !text.contains("other") && !text.contains("_sum"), "{text}");
        assert!(!text.contains("of_mine"), "{text}");
    }
}
