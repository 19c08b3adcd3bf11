//! The live view: drawn again whenever something changed, at whatever size the terminal has.

use crate::devnet::snapshot::{Addresses, NodeView, Snapshot};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style, Stylize},
    text::{Line, Span},
    widgets::{Block, Cell, Paragraph, Row, Table},
};

/// Draws a moment.
pub fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot, addresses: &Addresses, name: &str) {
    let nodes = snapshot.nodes.len() as u16;
    let [head, table, numbers, trail, rest, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(nodes + 3),
        Constraint::Length(7),
        Constraint::Length(snapshot.trail.rollups.len() as u16 + 3),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_title(frame, head, snapshot, name);
    draw_nodes(frame, table, snapshot);
    let [left, right] = Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(numbers);
    draw_load(frame, left, snapshot);
    draw_l1(frame, right, snapshot);
    draw_trail(frame, trail, snapshot);
    let lines: Vec<Line<'_>> = addresses.lines().into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" where ")), rest);
    frame.render_widget(Line::from(" q or Ctrl-C ends it cleanly ").dim(), foot);
}

fn draw_title(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot, name: &str) {
    let seconds = snapshot.elapsed.as_secs();
    let title = Line::from(vec![
        Span::from(" sinter ").bold().reversed(),
        Span::from(format!(" {name}   ")),
        Span::from(snapshot.phase.word()).bold(),
        Span::from(format!("   {}:{:02}", seconds / 60, seconds % 60)),
    ]);
    frame.render_widget(title, area);
}

fn draw_nodes(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let height = snapshot.height();
    let rows = snapshot.nodes.iter().enumerate().map(|(number, node)| {
        let behind = height - node.height;
        let cells = [
            Cell::from(format!("{number}")),
            state(node),
            Cell::from(node.height.to_string()).style(Style::new().add_modifier(Modifier::BOLD)),
            Cell::from(if behind == 0 { String::new() } else { format!("-{behind}") }),
            Cell::from(node.view.to_string()),
            Cell::from(node.peers.to_string()),
            Cell::from(node.mempool.to_string()),
        ];
        Row::new(cells)
    });
    let widths = [4, 11, 12, 8, 12, 7, 9].map(Constraint::Length);
    let titles = Row::new(["node", "state", "height", "behind", "view", "peers", "mempool"]).dim();
    frame.render_widget(Table::new(rows, widths).header(titles).block(Block::bordered().title(" committee ")), area);
}

fn state(node: &NodeView) -> Cell<'static> {
    match (node.answers, node.healthy) {
        (false, _) => Cell::from("no answer").fg(Color::Red),
        (true, false) => Cell::from("stalled").fg(Color::Yellow),
        (true, true) => Cell::from("ok").fg(Color::Green),
    }
}

fn draw_load(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let load = &snapshot.load;
    let refusals = load.refused.iter().map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>();
    let lines = vec![
        Line::from(vec![
            Span::from(format!("{:.0} tx/s", load.recent_per_second)).bold(),
            Span::from(format!("   pending {}", load.pending())),
        ]),
        Line::from(format!("accepted {}   final {}", load.accepted, load.finalized)),
        Line::from(vec![
            Span::from("to final in  "),
            Span::from(super::latency(load.recent_ms)).bold(),
            Span::from("  last 10 s"),
        ]),
        Line::from(format!("             {}  all", super::latency(load.overall_ms))),
        if refusals.is_empty() {
            Line::from("nothing refused").dim()
        } else {
            Line::from(format!("refused: {}", refusals.join(", "))).fg(Color::Yellow)
        },
    ];
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" transactions ")), area);
}

fn draw_l1(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let l1 = &snapshot.l1;
    let lines = vec![
        Line::from(format!("head      {}", l1.head)),
        Line::from(format!("posted    height {}", l1.posted_height)),
        Line::from(vec![Span::from("verified  "), Span::from(format!("height {}", l1.verified_height)).bold()]),
    ];
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" L1 ")), area);
}

fn draw_trail(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let rows = snapshot.trail.rollups.iter().map(|rollup| {
        let state =
            if rollup.answers { Cell::from("ok").fg(Color::Green) } else { Cell::from("no answer").fg(Color::Red) };
        let numbers =
            [rollup.followed_height, rollup.proved_height, rollup.settled_height, rollup.statements, rollup.pending];
        let cells = [Cell::from(rollup.name.clone()), state].into_iter();
        Row::new(cells.chain(numbers.map(|number| Cell::from(number.to_string()))))
    });
    let widths = [11, 10, 10, 9, 9, 11, 8].map(Constraint::Length);
    let titles = Row::new(["rollup", "state", "followed", "proved", "settled", "statements", "pending"]).dim();
    let title = format!(" trail   {} ", snapshot.trail.batch);
    frame.render_widget(Table::new(rows, widths).header(titles).block(Block::bordered().title(title)), area);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::view::samples;
    use ratatui::{Terminal, backend::TestBackend};

    fn screen(width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let addresses = samples::addresses();
        terminal.draw(|frame| draw(frame, &samples::running(), &addresses, "devnet")).unwrap();
        let cells = terminal.backend().buffer().content();
        let rows = cells.chunks(usize::from(width)).map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
        rows.map(|row| row.trim_end().to_owned()).collect()
    }

    #[test]
    fn the_screen_shows_what_matters() {
        let expected = [
            " sinter  devnet   running   0:12",
            "┌ committee ───────────────────────────────────────────────────────────────────┐",
            "│node state       height       behind   view         peers   mempool           │",
            "│0    ok          231                   240          3       12                │",
            "│1    ok          231                   240          3       12                │",
            "│2    stalled     230          -1       240          3       12                │",
            "│3    no answer   0            -231     0            0       0                 │",
            "└──────────────────────────────────────────────────────────────────────────────┘",
            "┌ transactions ────────────────────────────────┐┌ L1 ──────────────────────────┐",
            "│199 tx/s   pending 9                          ││head      14                  │",
            "│accepted 2400   final 2391                    ││posted    height 220          │",
            "│to final in  p50 41 ms p99 88 ms  last 10 s   ││verified  height 215          │",
            "│             p50 45 ms p99 120 ms  all        ││                              │",
            "│refused: 3 the mempool is full                ││                              │",
            "└──────────────────────────────────────────────┘└──────────────────────────────┘",
            "┌ trail   batch 2 of 2 folded ─────────────────────────────────────────────────┐",
            "│rollup      state      followed   proved    settled   statements  pending     │",
            "│ledger-a    ok         231        220       180       3           2           │",
            "│counter     no answer  0          0         0         0           0           │",
            "└──────────────────────────────────────────────────────────────────────────────┘",
            "┌ where ───────────────────────────────────────────────────────────────────────┐",
            "│node 0      http://127.0.0.1:20001   also /dashboard and /metrics             │",
            "│alpha       http://127.0.0.1:20001/namespaces/1                               │",
            "│L1          http://127.0.0.1:20009   light client 0xabcd                      │",
            "│relayer     http://127.0.0.1:20010/metrics   also /dashboard                  │",
            "│files       devnet-files                                                      │",
            "└──────────────────────────────────────────────────────────────────────────────┘",
            " q or Ctrl-C ends it cleanly",
        ];
        assert_eq!(screen(80, 28), expected);
    }

    #[test]
    fn any_size_is_drawn() {
        for (width, height) in [(1, 1), (10, 3), (40, 12), (300, 100)] {
            assert_eq!(screen(width, height).len(), usize::from(height));
        }
    }
}
