use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers},
};
use serde_json::{Value, json};

use super::*;
use crate::commands::{
    json_resource::JsonResource,
    kind::Kind,
    live::Change,
    top::{
        board::{HISTORY_MAX, Order},
        keys::{Done, take},
    },
};

fn change(kind: Kind, name: &str, spec: Value, status: Value) -> Change {
    let resource = json!({ "metadata": { "name": name }, "spec": spec, "status": status });
    Change::of(kind, JsonResource::new(resource).unwrap())
}

fn pool(name: &str, position: u64, in_flight: u64, waiting: u64) -> Change {
    let status = json!({ "in_flight": in_flight, "slots": 7, "free": 7 - in_flight, "waiting": waiting, "oldest_wait_ms": waiting * 450 });
    change(Kind::POOL, name, json!({ "position": position }), status)
}

fn worker(name: &str, pool: &str, capacity: u64, in_flight: u64, state: &str) -> Change {
    let parked = if state == "parked" { capacity - in_flight } else { 0 };
    let status = json!({ "state": state, "in_flight": in_flight, "free": capacity - in_flight - parked, "parked": parked });
    change(Kind::WORKER, name, json!({ "pool": pool, "capacity": capacity }), status)
}

/// Seven slots that are all taken, waiting requests, one failing worker and a large one.
fn board() -> Board {
    let mut board = Board::new("http://127.0.0.1:8080".to_owned(), Order::Pool, None);
    for waiting in [0, 1, 3, 9, 4, 0, 2] {
        board.take(vec![pool("preannotation", 0, 7, waiting)]);
        board.sample();
    }
    board.take(vec![
        pool("ocr", 1, 2, 0),
        worker("http://127.0.0.1:9001", "preannotation", 3, 3, "active"),
        worker("http://127.0.0.1:9002", "preannotation", 4, 1, "parked"),
        worker("https://ocr.example/a-rather-long-base-url/extractor-web", "ocr", 400, 100, "draining"),
        change(
            Kind::WORKER,
            "http://triton:8001",
            json!({ "pool": "ocr", "capacity": 8 }),
            json!({ "state": "unknown" }),
        ),
        change(Kind::COORDINATOR, "edge-1", json!({}), json!({ "state": "SYNCED" })),
        change(Kind::COORDINATOR, "edge-2", json!({}), json!({ "state": "STALE" })),
    ]);
    board
}

fn frame(board: &mut Board, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, board, true)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| line(y).trim_end().to_owned() + "\n").collect()
}

fn press(board: &mut Board, code: KeyCode) -> Done {
    take(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)), board)
}

/// Compares with the file, or writes it if `SLOTWAY_GOLDEN` is `write`.
fn golden(name: &str, text: &str) {
    let file = format!("{}/tests/cli/golden/top/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("SLOTWAY_GOLDEN").is_ok_and(|what| what == "write") {
        std::fs::create_dir_all(std::path::Path::new(&file).parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(kept, text, "{file} differs; SLOTWAY_GOLDEN=write writes it anew");
}

#[test]
fn frames_are_as_they_were() {
    golden("80x24", &frame(&mut board(), 80, 24));
    golden("200x50", &frame(&mut board(), 200, 50));
    golden("once", &text(&board(), 80));
    let mut lost = board();
    lost.link = Link::Lost("http://127.0.0.1:8080: nobody answers".to_owned());
    golden("lost", &frame(&mut lost, 80, 12));
    let mut keys = board();
    press(&mut keys, KeyCode::Char('?'));
    golden("keys", &frame(&mut keys, 80, 24));
}

#[test]
fn nothing_is_wider_or_higher_than_the_terminal_however_small() {
    for width in [0, 1, 10, 40, 79, 80, 81, 200, 500] {
        for height in [0, 1, 2, 5, 24] {
            let text = frame(&mut board(), width, height);
            assert!(text.lines().count() <= usize::from(height), "{width}x{height}");
        }
    }
    for line in text(&board(), 80).lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn keys_sort_choose_and_move() {
    let mut board = board();
    let first = |board: &Board| board.workers_shown()[0].0.to_owned();
    assert_eq!(first(&board), "http://triton:8001", "ocr stands before preannotation");
    for (order, worker) in [
        (Order::Name, "http://127.0.0.1:9001"),
        (Order::State, "http://127.0.0.1:9001"),
        (Order::InFlight, "https://ocr.example/a-rather-long-base-url/extractor-web"),
        (Order::Free, "https://ocr.example/a-rather-long-base-url/extractor-web"),
        (Order::Capacity, "https://ocr.example/a-rather-long-base-url/extractor-web"),
    ] {
        assert_eq!(press(&mut board, KeyCode::Char('s')), Done::Drawn);
        assert_eq!((board.order, first(&board).as_str()), (order, worker));
    }
    press(&mut board, KeyCode::Char('r'));
    assert_eq!(first(&board), "http://127.0.0.1:9001", "the smallest capacity");

    press(&mut board, KeyCode::Char('p'));
    assert_eq!((board.only.as_deref(), board.workers_shown().len()), (Some("ocr"), 2));
    press(&mut board, KeyCode::Char('p'));
    assert_eq!(board.only.as_deref(), Some("preannotation"));
    press(&mut board, KeyCode::Char('p'));
    assert_eq!((board.only.as_deref(), board.workers_shown().len()), (None, 4));

    let interrupt = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert_eq!(take(&interrupt, &mut board), Done::Quit);
    assert_eq!(press(&mut board, KeyCode::Char('q')), Done::Quit);
    assert_eq!(press(&mut board, KeyCode::Char('x')), Done::Nothing);
}

#[test]
fn ten_thousand_workers_are_walked_through_to_the_last_and_no_further() {
    let mut board = Board::new("here".to_owned(), Order::Name, None);
    board.take((0..10_000).map(|n| worker(&format!("http://w:{:05}", n + 1), "p", 3, 0, "active")).collect());
    press(&mut board, KeyCode::End);
    let text = frame(&mut board, 80, 24);
    assert!(text.contains("http://w:10000") && text.contains("of 10000"), "{text}");
    press(&mut board, KeyCode::Down);
    assert_eq!(frame(&mut board, 80, 24), text);
    press(&mut board, KeyCode::Home);
    assert!(frame(&mut board, 80, 24).contains("http://w:00001"));
}

#[test]
fn what_comes_while_it_is_stopped_is_seen_when_it_goes_on() {
    let mut board = board();
    press(&mut board, KeyCode::Char(' '));
    board.take(vec![pool("ocr", 1, 5, 4)]);
    board.take(vec![
        pool("ocr", 1, 6, 5),
        Change { kind: Kind::WORKER, name: "http://triton:8001".to_owned(), now: None },
    ]);
    assert_eq!((board.pools["ocr"].in_flight, board.workers.len()), (Some(2), 4));
    press(&mut board, KeyCode::Char(' '));
    assert_eq!((board.pools["ocr"].in_flight, board.workers.len()), (Some(6), 3));
    assert_eq!(board.pools["ocr"].waiting_high, 5);
}

#[test]
fn a_history_is_bounded_and_keeps_the_most_of_each_second() {
    let mut board = Board::new("here".to_owned(), Order::Name, None);
    for _ in 0..2 * HISTORY_MAX {
        board.take(vec![pool("p", 0, 0, 1), pool("p", 0, 0, 8), pool("p", 0, 0, 2)]);
        board.sample();
    }
    let history = &board.pools["p"].history;
    assert_eq!((history.len(), history[0], history[HISTORY_MAX - 1]), (HISTORY_MAX, 8, 8));
}

#[test]
fn names_from_elsewhere_command_no_terminal() {
    let mut board = Board::new("here".to_owned(), Order::Name, None);
    board.take(vec![worker("http://a/\u{1b}[2J", "p\u{7}", 1, 0, "act\u{1b}ive")]);
    let text = frame(&mut board, 120, 10) + &super::text(&board, 120);
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
}
