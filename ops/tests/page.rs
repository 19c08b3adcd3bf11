//! The page in a real browser: with a machine behind it, without numbers, stale, and disconnected.
//!
//! It needs Chromium (Debian: `chromium`); without it the tests say so and end, in CI they fail.
#![allow(clippy::unwrap_used)]

use axum::{Router, extract::ws::WebSocketUpgrade, http::StatusCode, response::Html, routing::get};
use sinter_ops::{metrics::Machine, page};
use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// How long the browser looks before it tells what the page has become: longer than a page waits before it calls itself stale.
const LOOK: Duration = Duration::from_secs(8);

fn browser(test: &str) -> bool {
    let found = Command::new("chromium").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "{test}: CI installs chromium: cargo ci tools");
    if !found {
        eprintln!("{test} skipped: no chromium (Debian: chromium)");
    }
    found
}

/// The page's document after some seconds, and a picture of it where `SINTER_OPS_SCREENSHOTS` names a folder.
async fn seen(address: SocketAddr, name: &str, wide: u32) -> String {
    let profile = tempfile::tempdir().unwrap();
    let url = format!("http://{address}/dashboard");
    let chromium = |output: String| {
        let mut command = tokio::process::Command::new("chromium");
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--window-size={wide},1000"))
            .args([output, url.clone()])
            .kill_on_drop(true);
        command
    };
    if let Ok(folder) = std::env::var("SINTER_OPS_SCREENSHOTS") {
        chromium(format!("--screenshot={folder}/{name}.png")).output().await.unwrap();
    }
    let output = chromium("--dump-dom".to_owned()).output().await.unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("</html>"), "{page}{}", String::from_utf8_lossy(&output.stderr));
    page
}

/// What stands in the element with this id, tags left out.
fn text_of(page: &str, id: &str) -> String {
    let from = page.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}"));
    let inside = page[from..].split_once('>').unwrap().1;
    inside.split_once("</").unwrap().0.to_owned()
}

/// Serves a machine's page, held back from being loaded for as long as the browser shall look, and its numbers as `live` has them.
async fn serve(machine: Machine, live: Router) -> SocketAddr {
    let html = page::html(machine).replace("</body>", "<img src=\"/held\" alt=\"\"></body>");
    let routes = Router::new()
        .route("/dashboard", get(move || std::future::ready(Html(html))))
        .route("/held", get(|| sleep(LOOK)))
        .fallback_service(live);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// A member that makes a block with every look.
fn member() -> page::Render {
    let height = AtomicU64::new(1000);
    Arc::new(move || {
        let height = height.fetch_add(1, Ordering::Relaxed);
        format!(
            "sinter_healthy 0\nsinter_ailment{{code=\"few_peers\"}} 1\nsinter_ailment{{code=\"stalled\"}} 0\n\
             sinter_head_height {height}\nsinter_peers 2\nsinter_disk_free_bytes 85899345920\n\
             sinter_finality_seconds_bucket{{le=\"0.05\"}} {}\nsinter_finality_seconds_bucket{{le=\"+Inf\"}} {}\n\
             sinter_quic_rtt_seconds{{peer=\"<b>0a1b</b>\"}} 0.0123\nnothing_of_ours 1\n",
            10 * height,
            10 * height,
        )
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_shown_live() {
    if !browser("a live page") {
        return;
    }
    let address = serve(Machine::Sequencer, page::routes(Machine::Sequencer, member())).await;
    for (name, wide) in [("wide", 1400), ("phone", 390)] {
        let page = seen(address, name, wide).await;
        assert_eq!(text_of(&page, "state"), "live", "{page}");
        assert_eq!(text_of(&page, "health"), "not healthy");
        assert_eq!(text_of(&page, "ailments"), "few_peers");
        for expected in ["80 GiB", "12.3 ms", "25 ms"] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        // What a peer says of itself is text.
        assert!(page.contains("&lt;b&gt;0a1b&lt;/b&gt;") && !page.contains("<b>0a1b"), "{page}");
        let body = page.split("<script>").next().unwrap();
        assert!(!body.contains("nothing_of_ours") && !body.contains("NaN") && !body.contains("undefined"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_are_shown_from_the_root_down() {
    if !browser("a tree") {
        return;
    }
    let cells = [
        (0, "made", 3000),
        (0, "later", 0),
        (1, "made", 4),
        (1, "proving", 2),
        (1, "ready", 1),
        (2, "later", 3),
        (3, "later", 0),
    ];
    let render = move || {
        cells
            .map(|(level, state, nodes)| {
                format!("sinter_aggregator_nodes{{level=\"{level}\",state=\"{state}\"}} {nodes}\n")
            })
            .concat()
    };
    let address = serve(Machine::Aggregator, page::routes(Machine::Aggregator, Arc::new(render))).await;
    let page = seen(address, "tree", 1400).await;
    let body = page.split("<script>").next().unwrap();
    let place = |text: &str| body.find(text).unwrap_or_else(|| panic!("no {text} in {body}"));
    assert!(place("level 2") < place("level 1") && place("level 1") < place("leaves"), "{body}");
    assert!(place("3 later") > 0 && place("4 made, 2 proving, 1 ready") > 0 && place("3,000 made") > 0);
    let drawn = |class: &str| body.matches(&format!("<i class=\"{class}\"")).count();
    // A cell for each node, and one for three thousand.
    assert_eq!(["made", "proving", "ready", "later"].map(drawn), [5, 2, 1, 3], "{body}");
    assert!(!body.contains("level 3"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_numbers_says_so() {
    if !browser("an empty page") {
        return;
    }
    let address = serve(Machine::Host, page::routes(Machine::Host, Arc::new(String::new))).await;
    let page = seen(address, "empty", 1400).await;
    assert_eq!(text_of(&page, "state"), "live");
    assert!(page.contains("This machine has no numbers yet."), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_gone_is_said_to_be() {
    if !browser("a disconnected page") {
        return;
    }
    let gone = Router::new().route("/dashboard/live", get(|| std::future::ready(StatusCode::BAD_GATEWAY)));
    let page = seen(serve(Machine::Sequencer, gone).await, "gone", 1400).await;
    assert_eq!(text_of(&page, "state"), "disconnected, trying again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_says_nothing_is_stale() {
    if !browser("a stale page") {
        return;
    }
    let silent = get(async |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async |socket| {
            sleep(8 * LOOK).await;
            drop(socket);
        })
    });
    let page =
        seen(serve(Machine::Sequencer, Router::new().route("/dashboard/live", silent)).await, "stale", 1400).await;
    let state = text_of(&page, "state");
    assert!(state == "stale: nothing new for some seconds", "{state}");
    assert!(page.contains("Nothing has arrived yet."), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_may_reach_its_own_machine_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = page::routes(Machine::Sequencer, member());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /dashboard HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let policy = answer.lines().find(|line| line.starts_with("content-security-policy: ")).unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"), "{policy}");
}
