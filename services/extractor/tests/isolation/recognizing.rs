//! A stand-in for the program that reads pictures: it hangs, dies, answers nonsense, and reaches for what it may not
//! have.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use heimdex_extractor::ocr::{Mode, OcrConfig};
use heimdex_extractor::{
    ChildCommand, Document, ExtractError, Format, Limits, Pool, PoolConfig, Request, Status, Warning,
};
use libtest_mimic::Trial;

use crate::{MISBEHAVING, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_recognized_page_says_how_sure_it_is", stand_in_reads),
        trial("a_recognizer_that_misbehaves_costs_its_page_only", stand_in_misbehaves),
        trial("a_recognizer_has_no_network_and_writes_nothing", stand_in_reaches),
        trial("no_more_pages_are_recognized_than_allowed", budget),
        trial("a_demanded_recognizer_must_be_there", demanded),
    ]
}

/// The languages the stand-in says it has, with the title line of the real program.
pub fn list_languages() -> ExitCode {
    println!("List of available languages (1):\neng");
    ExitCode::SUCCESS
}

const NAMES: &str = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext";

/// Stands in for the program: the picture's only pixel says how it behaves.
pub fn stand_in() -> ExitCode {
    let mut picture = Vec::new();
    std::io::stdin().read_to_end(&mut picture).unwrap();
    assert!(picture.starts_with(b"P5\n1 1\n255\n") && picture.len() == 12, "{picture:?}");
    let said = match picture[11] {
        1 => "word 95".to_owned(),
        2 => "noise 20".to_owned(),
        3 => loop {
            std::thread::park();
        },
        4 => std::process::abort(),
        5 => return say(&"nonsense ".repeat(1000)),
        6 => loop {
            std::hint::spin_loop();
        },
        7 => reach(),
        _ => "more 90".to_owned(),
    };
    let (text, confidence) = said.rsplit_once(' ').unwrap();
    say(&format!("{NAMES}\n5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t{confidence}\t{text}\n"))
}

fn say(answer: &str) -> ExitCode {
    std::io::stdout().write_all(answer.as_bytes()).unwrap();
    ExitCode::SUCCESS
}

/// What worked of the things that a recognizer has no business with.
fn reach() -> String {
    let tries = [
        ("connect", std::net::TcpStream::connect("127.0.0.1:9").err().map(|error| error.kind())),
        ("listen", std::net::UdpSocket::bind("127.0.0.1:0").err().map(|error| error.kind())),
        ("write", std::fs::File::create("/tmp/heimdex-recognizer-escape").err().map(|error| error.kind())),
    ];
    let denied = tries.iter().filter(|(_, error)| *error == Some(std::io::ErrorKind::PermissionDenied)).count();
    format!("denied:{denied},variables:{} 99", std::env::vars().filter(|(name, _)| name != "OMP_THREAD_LIMIT").count())
}

pub async fn pool(command: &str, pdfium: PathBuf, limits: Limits, ocr: OcrConfig) -> Result<Pool, ExtractError> {
    let command = ChildCommand { program: std::env::current_exe().unwrap(), args: vec![command.into()] };
    Pool::start(PoolConfig { command, pdfium, limits, parallelism: 1, ocr }).await
}

/// A pool whose documents are commands, with this very harness as recognizer.
async fn standing_in(limits: Limits) -> Pool {
    let program = std::env::current_exe().unwrap();
    let ocr = OcrConfig { mode: Mode::On, program, page_seconds: 2, ..OcrConfig::default() };
    pool(MISBEHAVING, PathBuf::new(), limits, ocr).await.unwrap()
}

async fn read(pool: &Pool, command: &str) -> Document {
    pool.extract_as(Request { format: Format::Txt, bytes: command.as_bytes(), password: None }).await.unwrap()
}

async fn stand_in_reads() {
    let pool = standing_in(Limits { range_pages: 2, ..Limits::default() }).await;
    assert_eq!(pool.ocr_languages().unwrap(), ["eng"]);
    let document = read(&pool, "book 5 scan 1").await;
    let page = &document.pages[0];
    assert_eq!((page.text.as_str(), page.needs_ocr, page.ocr_confidence), ("word", false, Some(95)));
    assert_eq!((document.status(), document.pages.len()), (Status::Ok, 5));
    let page = read(&pool, "book 2 scan 2").await.pages.remove(1);
    assert_eq!((page.text.as_str(), page.needs_ocr, page.ocr_confidence), ("", true, Some(20)));
}

async fn stand_in_misbehaves() {
    let pool = standing_in(Limits::default()).await;
    // It waits, dies, answers nonsense, and spins.
    for number in [3, 4, 5, 6] {
        let document = read(&pool, &format!("book 8 scan {number}")).await;
        assert_eq!(document.warnings, [Warning::OcrFailed { number }]);
        assert_eq!(document.pages.iter().filter(|page| page.needs_ocr).count(), 1);
        assert_eq!(read(&pool, "book 8 scan 1").await.status(), Status::Ok);
    }
}

async fn stand_in_reaches() {
    let pool = standing_in(Limits::default()).await;
    let document = read(&pool, "book 8 scan 7").await;
    // Only Landlock keeps a foreign program from files; there are kernels without it, and the pool says so.
    let denied = if pool.refused().iter().any(|step| step.starts_with("landlock")) { 2 } else { 3 };
    assert_eq!(document.pages[6].text, format!("denied:{denied},variables:0"));
}

async fn budget() {
    let pool = standing_in(Limits { range_pages: 3, ocr_pages: 4, ..Limits::default() }).await;
    let document = read(&pool, "book 12 scans 0").await;
    let read = document.pages.iter().map(|page| page.ocr_confidence.is_some()).collect::<Vec<_>>();
    assert_eq!(read, [[true; 4], [false; 4], [false; 4]].concat());
}

async fn demanded() {
    let absent = OcrConfig { mode: Mode::On, program: "heimdex-no-such-program".into(), ..OcrConfig::default() };
    let refused = pool(MISBEHAVING, PathBuf::new(), Limits::default(), absent.clone()).await;
    assert!(matches!(refused, Err(ExtractError::Start(reason)) if reason.contains("heimdex-no-such-program")));
    let left_out = OcrConfig { mode: Mode::Auto, ..absent };
    let pool = pool(MISBEHAVING, PathBuf::new(), Limits::default(), left_out).await.unwrap();
    assert_eq!(pool.ocr_languages(), None);
}
