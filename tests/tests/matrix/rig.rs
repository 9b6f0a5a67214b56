//! A broker, a store, and one process for each stage's part that can be killed and armed on its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use heimdex_schemas::Org;
use heimdex_stage::failpoint;
use heimdex_testkit::heimdex::{Part, command, free_port, provision};
use heimdex_testkit::{Child, NatsServer, eventually};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::observe::{MODEL, Observation, Observer};
use crate::points::Case;
use crate::triggers::{Jobs, Trigger};

/// How long a start may take on a busy machine; the embedder loads and checks its model.
const START: Duration = Duration::from_secs(120);
/// From the trigger to the planned crash, a start included.
const STRUCK: Duration = Duration::from_secs(180);
/// How long a dead process's output may take to arrive.
const WORDS: Duration = Duration::from_secs(20);
/// From the restart until nothing moves any more.
const SETTLED: Duration = Duration::from_secs(180);

const PARTS: [Part; 4] = [Part::Extractor, Part::Chunker, Part::Embedder, Part::Writer];

/// Leases end soon, and every event travels as a blob, so that each stage writes some.
const VARIABLES: [(&str, &str); 9] = [
    ("HEIMDEX_MODEL", MODEL),
    ("HEIMDEX_ACK_WAIT", "1s"),
    ("HEIMDEX_BACKOFF_BASE", "100ms"),
    ("HEIMDEX_BREAKER_CAP", "1s"),
    ("HEIMDEX_INLINE_BYTES", "64"),
    ("HEIMDEX_EXTRACT_PARALLELISM", "1"),
    ("HEIMDEX_PROVIDER", "cpu"),
    ("HEIMDEX_EMBED_THREADS", "1"),
    ("HEIMDEX_LOG", "warn"),
];

pub struct Rig {
    runtime: Runtime,
    /// Before the servers, so that nobody is left behind who asks for them.
    parts: BTreeMap<Part, Child>,
    observer: Observer,
    undisturbed: BTreeMap<Trigger, Observation>,
    /// The part that a case has not seen die yet.
    armed: Option<Part>,
    orgs: usize,
    qdrant: String,
    nats: NatsServer,
    _store: Child,
    folder: TempDir,
}

impl Rig {
    /// Everything unarmed and ready.
    pub fn start() -> Self {
        provision();
        let folder = tempfile::tempdir().unwrap();
        let (nats, port) = (NatsServer::start(), free_port());
        let store = store(folder.path(), port);
        let qdrant = format!("http://127.0.0.1:{port}");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut parts: BTreeMap<Part, Child> =
            PARTS.into_iter().map(|part| (part, spawn(part, &nats.url(), &qdrant, folder.path(), ""))).collect();
        parts.values_mut().for_each(|child| wait_ready(&runtime, child));
        let models = command().args(["models", "ls", "--json"]).output().unwrap().stdout;
        let observer = runtime.block_on(Observer::connect(&nats.url(), &qdrant, &models));
        let undisturbed = BTreeMap::new();
        Self { runtime, parts, observer, undisturbed, armed: None, orgs: 0, qdrant, nats, _store: store, folder }
    }

    /// One case from the armed start to the comparison.
    pub fn strike(&mut self, case: &Case) {
        self.revive();
        let expected = self.undisturbed(case.trigger);
        self.restart(case.part(), &case.armed());
        self.armed = Some(case.part());
        let (org, jobs) = self.pull(case.trigger);
        self.die(case.part());
        self.restart(case.part(), "");
        self.armed = None;
        assert_eq!(self.settle(&org, &jobs), expected, "left: after the crash, right: undisturbed");
    }

    /// What the trigger leaves behind when nothing dies.
    fn undisturbed(&mut self, trigger: Trigger) -> Observation {
        if let Some(known) = self.undisturbed.get(&trigger) {
            return known.clone();
        }
        let (org, jobs) = self.pull(trigger);
        let seen = self.settle(&org, &jobs);
        self.undisturbed.insert(trigger, seen.clone());
        seen
    }

    fn pull(&mut self, trigger: Trigger) -> (Org, Jobs) {
        self.orgs += 1;
        let org: Org = format!("case-{}", self.orgs).parse().unwrap();
        let jobs = self.runtime.block_on(trigger.pull(&self.observer.client, &org));
        (org, jobs)
    }

    fn settle(&mut self, org: &Org, jobs: &Jobs) -> Observation {
        let observer = &self.observer;
        self.runtime.block_on(async {
            eventually!(SETTLED, observer.is_settled(org, jobs).await);
            observer.look(org, jobs).await
        })
    }

    fn restart(&mut self, part: Part, armed: &str) {
        let child = spawn(part, &self.nats.url(), &self.qdrant, self.folder.path(), armed);
        // The old one dies when it is replaced, and has nothing in hand.
        self.parts.insert(part, child);
    }

    fn die(&mut self, part: Part) {
        let child = self.parts.get_mut(&part).unwrap();
        let status = child.wait(STRUCK);
        assert!(!status.success(), "{status}: {}", child.output());
        // Its last words are read by another thread.
        self.runtime.block_on(async { eventually!(WORDS, child.output().contains("planned crash")) });
    }

    /// A case that failed may have left a process dead or armed.
    fn revive(&mut self) {
        for part in PARTS {
            let is_running = self.parts.get_mut(&part).is_some_and(Child::is_running);
            if !is_running || self.armed == Some(part) {
                self.restart(part, "");
            }
        }
        self.runtime.block_on(async {
            let observer = &self.observer;
            eventually!(SETTLED, observer.is_settled(&"nobody".parse().unwrap(), &Vec::new()).await);
        });
    }
}

fn spawn(part: Part, nats: &str, qdrant: &str, folder: &Path, armed: &str) -> Child {
    let mut command = command();
    command.args(["up", "--only", part.name(), "--http", "127.0.0.1:0", "--nats", nats, "--qdrant", qdrant]);
    command.arg("--data-dir").arg(folder.join("data")).envs(VARIABLES).env(failpoint::VARIABLE, armed);
    Child::spawn(command).expect("the program starts")
}

fn store(folder: &Path, port: u16) -> Child {
    let mut command = command();
    command.arg("store").arg("--data-dir").arg(folder.join("store"));
    command.arg("--listen").arg(format!("127.0.0.1:{port}")).env("HEIMDEX_LOG", "error");
    Child::spawn(command).expect("the program starts")
}

fn wait_ready(runtime: &Runtime, child: &mut Child) {
    let begun = Instant::now();
    runtime.block_on(async {
        eventually!(START, {
            assert!(child.is_running(), "it ended after {:?}:\n{}", begun.elapsed(), child.output());
            child.output().contains("ready nats=")
        });
    });
}
