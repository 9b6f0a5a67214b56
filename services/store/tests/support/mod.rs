//! A store in this process or as a child, on a free port, and what the tests put into it.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod disk;
pub mod model;
pub mod scale;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use heimdex_store::{Config, Error, serve};
use qdrant_client::Qdrant;
use qdrant_client::qdrant::{
    CreateCollectionBuilder, Distance, HnswConfigDiffBuilder, Modifier, NamedVectors, OptimizersConfigDiffBuilder,
    PointStruct, ScalarQuantizationBuilder, SparseVectorParamsBuilder, SparseVectorsConfigBuilder, Vector,
    VectorParamsBuilder, VectorsConfigBuilder,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PROGRAM: &str = env!("CARGO_BIN_EXE_heimdex-store");

/// The folder of the only collection.
pub fn folder(data: &Path) -> PathBuf {
    fs::read_dir(data.join("collections")).unwrap().next().unwrap().unwrap().path()
}

/// Bytes in the redo log of the only collection.
pub fn redo_bytes(data: &Path) -> u64 {
    let files = fs::read_dir(folder(data).join("redo")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

/// Settings that leave the disk check to the tests that are about it.
pub fn config(dir: &Path) -> Config {
    Config {
        data_dir: dir.to_path_buf(),
        search_threads: 2,
        optimizer_threads: 1,
        min_free_bytes: 0,
        ..Config::default()
    }
}

pub fn client(address: &str) -> Qdrant {
    Qdrant::from_url(&format!("http://{address}"))
        .skip_compatibility_check()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

/// A store served inside the test.
pub struct Served {
    pub client: Qdrant,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Served {
    pub async fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&listener.local_addr().unwrap().to_string());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(config, listener, shutdown.clone()));
        Self { client, shutdown, task }
    }

    /// Drains and closes; what `serve` returned.
    pub async fn stop(self) -> Result<(), Error> {
        drop(self.client);
        self.shutdown.cancel();
        self.task.await.unwrap()
    }
}

/// The store's program, killed when dropped.
pub struct Spawned {
    child: Child,
    pub address: String,
}

impl Spawned {
    pub fn start(dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::run(&mut Command::new(PROGRAM), dir, settings)
    }

    /// Starts with what it logs going to a file.
    pub fn start_logged(dir: &Path, settings: &[(&str, &str)], log: &Path) -> Self {
        Self::run(Command::new(PROGRAM).stderr(File::create(log).unwrap()), dir, settings)
    }

    /// Starts in a process that may not make a file longer than `kib` KiB, and is told so by an error.
    pub fn start_limited(dir: &Path, settings: &[(&str, &str)], kib: u64) -> Self {
        let limited = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\"");
        Self::run(Command::new("bash").args(["-c", &limited, PROGRAM]), dir, settings)
    }

    fn run(command: &mut Command, dir: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = command
            .env("HEIMDEX_STORE_ADDRESS", "127.0.0.1:0")
            .env("HEIMDEX_STORE_DATA_DIR", dir)
            .env("HEIMDEX_STORE_MIN_FREE_BYTES", "0")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening ").unwrap().to_string();
        Self { child, address }
    }

    /// Its resident memory, now and at most, in MB.
    pub fn memory(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let megabytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1000
        };
        format!("{} MB, peak {} MB", megabytes("VmRSS:"), megabytes("VmHWM:"))
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; whether it then ended with success.
    pub fn terminate(mut self) -> bool {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().success()
    }

    /// Waits for its end; whether it aborted itself.
    pub fn was_aborted(mut self) -> bool {
        self.child.wait().unwrap().signal() == Some(6)
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// A collection as Heimdex makes it: dense with int8, sparse with IDF; `indexing_kb` sets how soon HNSW is built.
pub fn collection(name: &str, size: u64, indexing_kb: u64) -> CreateCollectionBuilder {
    let mut dense = VectorsConfigBuilder::default();
    dense.add_named_vector_params("dense", VectorParamsBuilder::new(size, Distance::Dot));
    let mut sparse = SparseVectorsConfigBuilder::default();
    sparse.add_named_vector_params("bm25", SparseVectorParamsBuilder::default().modifier(Modifier::Idf));
    CreateCollectionBuilder::new(name)
        .vectors_config(dense)
        .sparse_vectors_config(sparse)
        .quantization_config(ScalarQuantizationBuilder::default().always_ram(true))
        .hnsw_config(HnswConfigDiffBuilder::default().m(16).ef_construct(128))
        .optimizers_config(OptimizersConfigDiffBuilder::default().indexing_threshold(indexing_kb))
}

pub fn point(id: u64, dense: Vec<f32>, sparse: &[(u32, f32)], payload: serde_json::Value) -> PointStruct {
    let vectors = NamedVectors::default().add_vector("dense", Vector::new_dense(dense)).add_vector(
        "bm25",
        Vector::new_sparse(
            sparse.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
            sparse.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
        ),
    );
    PointStruct::new(id, vectors, qdrant_client::Payload::try_from(payload).unwrap())
}
