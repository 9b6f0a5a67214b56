//! Misbehaving parsers: each ends with its own code, and hurts nobody else.

use std::time::{Duration, Instant};

use heimdex_extractor::ocr::OcrConfig;
use heimdex_extractor::{ExtractError, Failure, Limits, Pool};
use libtest_mimic::Trial;

use crate::{misbehaving, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_spinning_parse_is_a_timeout_of_cpu_time", spinning),
        trial("a_waiting_parse_is_a_timeout_of_wall_clock_time", waiting),
        trial("memory_taken_or_demanded_is_out_of_memory", memory),
        trial("an_abort_a_segfault_an_overflow_and_an_exit_are_crashes", crashes),
        trial("a_panic_is_a_crash_with_its_message", panics),
        trial("output_over_the_limit_is_too_large", flood),
        trial("printing_does_not_garble_answers", printing),
        trial("files_network_programs_and_variables_are_out_of_reach", reach),
        trial("a_hanging_parse_delays_nobody_else", hanging_beside_good),
        trial("a_child_is_replaced_after_its_documents", recycling),
        trial("a_child_killed_from_outside_is_not_the_documents_fault", killed_from_outside),
        trial("a_caller_that_leaves_takes_its_parse_along", leaving),
        trial("a_child_that_cannot_start_is_no_pool", no_start),
        trial("bytes_over_the_limit_are_refused_before_any_child", too_many_bytes),
    ]
}

fn tight() -> Limits {
    Limits { wall_seconds: 2, cpu_seconds: 1, memory_bytes: 64 << 20, ..Limits::default() }
}

async fn code(pool: &Pool, command: &str) -> String {
    match pool.extract(command.as_bytes()).await {
        Ok(document) => document.pages.into_iter().map(|page| page.text).collect(),
        Err(ExtractError::Document(failure)) => failure.code().to_owned(),
        Err(other) => panic!("{command}: {other}"),
    }
}

async fn spinning() {
    let pool = misbehaving(1, Limits { wall_seconds: 30, ..tight() }).await;
    let failure = pool.extract(b"spin").await.unwrap_err();
    assert!(failure.to_string().contains("1 s of CPU time"), "{failure}");
    assert_eq!(code(&pool, "fine").await, "fine");
}

async fn waiting() {
    let pool = misbehaving(1, tight()).await;
    let begun = Instant::now();
    let failure = pool.extract(b"wait").await.unwrap_err();
    assert!(failure.to_string().contains("2 s of wall-clock time"), "{failure}");
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!(code(&pool, "fine").await, "fine");
}

async fn memory() {
    let pool = misbehaving(1, tight()).await;
    for command in ["eat", "demand"] {
        let failure = pool.extract(command.as_bytes()).await.unwrap_err();
        assert_eq!(failure, Failure::OutOfMemory { limit_bytes: 64 << 20 }.into(), "{command}");
        assert_eq!(code(&pool, "fine").await, "fine");
    }
}

async fn crashes() {
    let pool = misbehaving(1, tight()).await;
    for (command, trace) in [("abort", "SIGABRT"), ("segfault", "SIGSEGV"), ("overflow", "SIGSEGV"), ("exit", "7")] {
        match pool.extract(command.as_bytes()).await.unwrap_err() {
            ExtractError::Document(Failure::Crashed { detail }) => {
                assert!(detail.contains(trace), "{command}: {detail}")
            }
            other => panic!("{command}: {other}"),
        }
        assert_eq!(code(&pool, "fine").await, "fine");
    }
}

async fn panics() {
    let pool = misbehaving(1, tight()).await;
    let failure = pool.extract(b"panic").await.unwrap_err();
    assert!(failure.to_string().contains("the parser hit a bug"), "{failure}");
    assert_eq!(code(&pool, "fine").await, "fine");
}

async fn flood() {
    let pool = misbehaving(1, Limits { max_text_bytes: 1 << 20, memory_bytes: 512 << 20, ..tight() }).await;
    assert_eq!(code(&pool, "flood").await, "too_large");
    assert_eq!(code(&pool, "fine").await, "fine");
}

async fn printing() {
    let pool = misbehaving(1, tight()).await;
    assert_eq!(code(&pool, "print").await, "printed");
    assert_eq!(code(&pool, "fine").await, "fine");
}

async fn reach() {
    let pool = misbehaving(1, tight()).await;
    let answer = code(&pool, "reach").await;
    assert_eq!(answer.matches("Some(").count(), 4, "{answer}");
    assert!(answer.ends_with("0 variables"), "{answer}");
}

async fn hanging_beside_good() {
    let pool = misbehaving(2, tight()).await;
    let hanging = pool.clone();
    let hanging = tokio::spawn(async move { code(&hanging, "wait").await });
    let mut good = 0;
    while !hanging.is_finished() {
        let begun = Instant::now();
        assert_eq!(code(&pool, "fine").await, "fine");
        assert!(begun.elapsed() < Duration::from_secs(1), "a good document waited {:?}", begun.elapsed());
        good += 1;
    }
    assert_eq!(hanging.await.unwrap(), "timeout");
    assert!(good > 10, "only {good} good documents beside the hanging one");
}

async fn recycling() {
    let pool = misbehaving(1, Limits { documents_per_child: 2, ..tight() }).await;
    let mut pids = Vec::new();
    for _ in 0..6 {
        pids.push(code(&pool, "pid").await);
    }
    let [a, b, c, d, e, f] = pids.as_slice() else { panic!("{pids:?}") };
    assert!(a == b && c == d && e == f && a != c && c != e, "{pids:?}");
}

async fn killed_from_outside() {
    let pool = misbehaving(1, tight()).await;
    let lost = pool.extract(b"killed").await.unwrap_err();
    assert!(matches!(lost, ExtractError::Child(_)), "{lost}");
    let idle = code(&pool, "pid").await.parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(idle).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
    assert_eq!(code(&pool, "fine").await, "fine");
}

async fn leaving() {
    let pool = misbehaving(1, Limits { wall_seconds: 30, ..tight() }).await;
    let impatient = tokio::time::timeout(Duration::from_millis(200), pool.extract(b"wait")).await;
    assert!(impatient.is_err());
    assert_eq!(code(&pool, "fine").await, "fine");
}

async fn no_start() {
    let command = heimdex_extractor::ChildCommand::current_exe().unwrap();
    let pdfium = "/nowhere/libpdfium.so".into();
    let config =
        heimdex_extractor::PoolConfig { command, pdfium, limits: tight(), parallelism: 1, ocr: OcrConfig::off() };
    match Pool::start(config).await {
        Err(ExtractError::Start(reason)) => assert!(reason.contains("/nowhere/libpdfium.so"), "{reason}"),
        other => panic!("{:?}", other.map(|_| "a pool")),
    }
}

async fn too_many_bytes() {
    let pool = misbehaving(1, Limits { max_bytes: 4, ..tight() }).await;
    assert_eq!(code(&pool, "12345").await, "too_large");
    assert_eq!(code(&pool, "1234").await, "1234");
}
