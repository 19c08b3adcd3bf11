//! How a devnet is shown: live in a terminal, one line a second elsewhere.

mod lines;
mod live;

use crate::{
    args::ViewMode,
    devnet::snapshot::{Addresses, Snapshot},
    exit::print_line,
};
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::DefaultTerminal;
use std::{
    io::{self, IsTerminal},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often keys are looked for, and the screen is drawn at least.
const KEYS_INTERVAL: Duration = Duration::from_millis(100);
const LINES_INTERVAL: Duration = Duration::from_secs(1);

/// Shows snapshots until it is closed. What it shows may also ask for the end: a key, or a pipe that closed.
#[derive(Debug)]
pub struct View {
    close: CancellationToken,
    /// Set when the one who watches wants the run to end.
    pub wants_end: CancellationToken,
    /// Set when the one who watches wants that again.
    pub insists: CancellationToken,
    shown: tokio::task::JoinHandle<()>,
}

/// What a view shows, and where to.
#[derive(Debug)]
pub struct Scene {
    /// The run.
    pub snapshots: watch::Receiver<Snapshot>,
    /// Where everything listens.
    pub addresses: Addresses,
    /// The network's name.
    pub name: String,
    /// How to show it.
    pub mode: ViewMode,
    /// Whether standard output is kept for the summary.
    pub to_error: bool,
}

impl View {
    /// Opens the view that the mode, or else the terminal, asks for.
    ///
    /// # Errors
    /// When the terminal cannot be set up.
    pub fn open(scene: Scene) -> io::Result<Self> {
        let (close, wants_end, insists): (CancellationToken, CancellationToken, CancellationToken) = Default::default();
        let live = match scene.mode {
            ViewMode::Auto => io::stdout().is_terminal() && io::stdin().is_terminal() && !scene.to_error,
            ViewMode::Live => true,
            ViewMode::Lines => false,
        };
        let shown = if live {
            // Restores the terminal when the program panics, too.
            let terminal = ratatui::try_init()?;
            let keys = Keys { closed: close.clone(), wants_end: wants_end.clone(), insists: insists.clone() };
            tokio::task::spawn_blocking(move || show_live(terminal, &scene, &keys))
        } else {
            tokio::spawn(show_lines(scene, close.clone(), wants_end.clone()))
        };
        Ok(Self { close, wants_end, insists, shown })
    }

    /// Closes the view; the terminal is as it was when this returns.
    pub async fn close(self) {
        self.close.cancel();
        if let Err(error) = self.shown.await {
            tracing::error!(%error, "the view ended early");
        }
    }
}

/// What a live view hears, and whom it tells.
struct Keys {
    closed: CancellationToken,
    wants_end: CancellationToken,
    insists: CancellationToken,
}

fn show_live(mut terminal: DefaultTerminal, scene: &Scene, keys: &Keys) {
    while !keys.closed.is_cancelled() {
        let snapshot = scene.snapshots.borrow().clone();
        let drawn = terminal.draw(|frame| live::draw(frame, &snapshot, &scene.addresses, &scene.name));
        match drawn.and_then(|_| end_was_asked_for()) {
            Ok(false) => {}
            Ok(true) if keys.wants_end.is_cancelled() => keys.insists.cancel(),
            Ok(true) => keys.wants_end.cancel(),
            // A terminal that went away has nobody who watches it.
            Err(_) => {
                keys.wants_end.cancel();
                break;
            }
        }
    }
    ratatui::restore();
}

/// Waits a moment for a key.
fn end_was_asked_for() -> io::Result<bool> {
    if !event::poll(KEYS_INTERVAL)? {
        return Ok(false);
    }
    let Event::Key(key) = event::read()? else { return Ok(false) };
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    Ok(key.kind == KeyEventKind::Press && (interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)))
}

async fn show_lines(scene: Scene, closed: CancellationToken, wants_end: CancellationToken) {
    let mut seconds = tokio::time::interval(LINES_INTERVAL);
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            () = closed.cancelled() => return,
        }
        let line = lines::line(&scene.snapshots.borrow().clone());
        if say(scene.to_error, &line).is_err() {
            return wants_end.cancel();
        }
    }
}

/// Prints a line for people: to standard output, or beside it.
///
/// # Errors
/// When nobody reads it any more.
pub fn say(to_error: bool, line: &str) -> io::Result<()> {
    if to_error {
        io::Write::write_all(&mut io::stderr().lock(), format!("{line}\n").as_bytes())
    } else {
        print_line(line)
    }
}

/// A pair of percentiles as text.
pub fn latency(pair: Option<(f64, f64)>) -> String {
    let show = |ms: f64| if ms < 10.0 { format!("{ms:.1}") } else { format!("{ms:.0}") };
    pair.map_or_else(|| "p50 - p99 -".to_owned(), |(p50, p99)| format!("p50 {} ms p99 {} ms", show(p50), show(p99)))
}

#[cfg(test)]
mod samples {
    use crate::{
        devnet::snapshot::{Addresses, L1View, NodeView, Phase, RollupView, Snapshot, TrailView},
        load::Numbers,
    };
    use std::{collections::BTreeMap, time::Duration};

    /// A run with one node that is down and one that is stalled.
    pub fn running() -> Snapshot {
        let node = |height| NodeView { answers: true, healthy: true, height, view: 240, peers: 3, mempool: 12 };
        Snapshot {
            phase: Phase::Running,
            elapsed: Duration::from_millis(12_900),
            nodes: vec![node(231), node(231), NodeView { healthy: false, ..node(230) }, NodeView::default()],
            load: Numbers {
                accepted: 2400,
                finalized: 2391,
                resent: 0,
                refused: BTreeMap::from([("the mempool is full".to_owned(), 3)]),
                recent_per_second: 199.2,
                per_second: 198.0,
                recent_ms: Some((41.2, 88.3)),
                overall_ms: Some((45.0, 120.4)),
            },
            l1: L1View { head: 14, posted_height: 220, verified_height: 215 },
            trail: TrailView {
                rollups: vec![
                    RollupView {
                        name: "ledger-a".into(),
                        answers: true,
                        followed_height: 231,
                        proved_height: 220,
                        settled_height: 180,
                        statements: 3,
                        pending: 2,
                    },
                    RollupView { name: "counter".into(), ..RollupView::default() },
                ],
                batch: "batch 2 of 2 folded".into(),
            },
        }
    }

    pub fn addresses() -> Addresses {
        Addresses {
            rpc: vec!["http://127.0.0.1:20001".into()],
            faces: vec![("alpha".into(), "http://127.0.0.1:20001/namespaces/1".into())],
            l1: "http://127.0.0.1:20009".into(),
            light_client: "0xabcd".into(),
            relayer_metrics: "http://127.0.0.1:20010/metrics".into(),
            directory: "devnet-files".into(),
        }
    }
}
