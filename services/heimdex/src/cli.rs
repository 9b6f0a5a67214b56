//! The command line: what can be asked, with its defaults.

mod delete;
mod dlq;
mod jobs;
mod reconcile;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use heimdex_chunker::StrategyName;
use heimdex_schemas::{AssetId, DEFAULT_MODEL, Lane, ModelName, Org};

pub use delete::{Delete, Purge};
pub use dlq::{Dlq, DlqExpiring, DlqExport, DlqImport, DlqLs, DlqPurge, DlqReplay, DlqShow};
pub use jobs::{Jobs, JobsCancel, JobsLs, JobsWatch, OneJob};
pub use reconcile::Reconcile;
pub use token::{Token, TokenMint};

/// Turns uploaded documents into search.
///
/// Exit codes: 0 done, 1 internal error, 2 bad input or usage, 3 finished but some assets failed,
/// 4 a dependency cannot be reached.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything, ingest the bundled samples in six languages, and search them.
    Demo(Demo),
    /// Run the services, with nats-server and the store as supervised children where no URL is given.
    Up(Up),
    /// Upload files and wait for their receipts.
    Ingest(Ingest),
    /// Delete assets and wait for their receipts.
    Delete(Delete),
    /// Delete everything that an org has.
    Purge(Purge),
    /// Search.
    Search(Search),
    /// What became of uploads and deletions, or where they are.
    #[command(subcommand)]
    Jobs(Jobs),
    /// Dead letters: what died and why, sending it again, removing it.
    #[command(subcommand)]
    Dlq(Dlq),
    /// Compare an org's index with the list of its source, and mend the differences.
    Reconcile(Reconcile),
    /// Show what the extractor reads out of a file.
    Extract(OneFile),
    /// Show how the chunker cuts a file.
    Chunk(Chunk),
    /// Measure retrieval on a folder in BEIR layout (corpus.jsonl, queries.jsonl, qrels/test.tsv).
    Eval(Eval),
    /// List, import and verify embedding models.
    #[command(subcommand)]
    Models(Models),
    /// Measure.
    #[command(subcommand)]
    Bench(Bench),
    /// Tokens for the HTTP API, on a machine of your own.
    #[command(subcommand)]
    Token(Token),
    /// Check this machine and the services it would use.
    Doctor(Doctor),
    /// Fetch the runtime files that are missing (nats-server, ONNX Runtime, PDFium, the model).
    Provision(Provision),
    /// Print a completion script for a shell.
    Completions { shell: clap_complete::Shell },
    /// A child process of the extractor; not for people.
    #[command(hide = true, name = "extract-child")]
    ExtractChild {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The store as a process of its own; started by `up`.
    #[command(hide = true)]
    Store {
        #[arg(long)]
        data_dir: PathBuf,
        #[arg(long, default_value = "127.0.0.1:6334")]
        listen: SocketAddr,
    },
}

/// Where the broker is, and whose data it is about.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// The NATS server.
    #[arg(long, env = "HEIMDEX_NATS_URL", default_value = "nats://127.0.0.1:4222")]
    pub nats: String,
    /// The tenant.
    #[arg(long, env = "HEIMDEX_ORG", default_value = "demo")]
    pub org: Org,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Stop after the searches instead of serving until Ctrl-C.
    #[arg(long)]
    pub exit: bool,
    /// One JSON value on standard output, people's text on standard error.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub model: ModelOptions,
}

#[derive(Debug, Clone, Args)]
pub struct ModelOptions {
    /// The embedding model: the name of an installed one.
    #[arg(long, env = "HEIMDEX_MODEL", default_value = DEFAULT_MODEL)]
    pub model: ModelName,
    /// The execution provider.
    #[arg(long, env = "HEIMDEX_PROVIDER", default_value = "auto")]
    pub provider: String,
    /// Threads of the embedding sessions together; the machine's cores by default.
    #[arg(long, env = "HEIMDEX_EMBED_THREADS")]
    pub threads: Option<usize>,
    /// Embedding sessions that share the threads; what is fastest on the provider by default.
    #[arg(long, env = "HEIMDEX_EMBED_SESSIONS")]
    pub sessions: Option<usize>,
}

#[derive(Debug, Args)]
pub struct Up {
    /// Where the broker and the store keep their data.
    #[arg(long, env = "HEIMDEX_DATA_DIR", default_value = "heimdex-data")]
    pub data_dir: PathBuf,
    /// Where the HTTP API, the playground page, health, readiness and metrics are served; port 0 takes a free one.
    #[arg(long, env = "HEIMDEX_HTTP_ADDR", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// A NATS server to use; one is started on --nats-port when absent.
    #[arg(long, env = "HEIMDEX_NATS_URL")]
    pub nats: Option<String>,
    /// Port of the NATS server that is started; 0 takes a free one.
    #[arg(long, env = "HEIMDEX_NATS_PORT", default_value_t = 4222)]
    pub nats_port: u16,
    /// A Qdrant server to use (gRPC); the embedded store is started on --store-port when absent.
    #[arg(long, env = "QDRANT_URL")]
    pub qdrant: Option<String>,
    /// Port of the store that is started; 0 takes a free one.
    #[arg(long, env = "HEIMDEX_STORE_PORT", default_value_t = 6334)]
    pub store_port: u16,
    /// Run only these parts in this process.
    #[arg(long, value_delimiter = ',', value_enum)]
    pub only: Vec<Part>,
    #[command(flatten)]
    pub model: ModelOptions,
}

/// What `up` can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Nats,
    Store,
    Extractor,
    Chunker,
    Embedder,
    Writer,
    Query,
    Keeper,
    /// The HTTP API and the playground page.
    Gateway,
}

#[derive(Debug, Args)]
pub struct Ingest {
    /// Files, and folders whose files are taken with all below.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The asset id of a single file; its path as given otherwise.
    #[arg(long)]
    pub asset_id: Option<AssetId>,
    /// The queue it waits in.
    #[arg(long, default_value = "interactive")]
    pub lane: Lane,
    /// Uploads under way at once.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub in_flight: u16,
    /// How long to wait for a receipt, in seconds since the last one.
    #[arg(long, default_value_t = 300)]
    pub timeout: u64,
    /// One JSON line per asset on standard output.
    #[arg(long)]
    pub json: bool,
    /// Say how long each stage took.
    #[arg(short, long)]
    pub verbose: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct Search {
    pub query: String,
    #[arg(long, default_value_t = 10)]
    pub limit: u32,
    /// `hybrid`, `dense` or `sparse`.
    #[arg(long, default_value = "hybrid")]
    pub mode: String,
    /// `rrf` or `dbsf`; the service's default when absent.
    #[arg(long)]
    pub fusion: Option<String>,
    /// Only these assets.
    #[arg(long = "asset-id")]
    pub asset_ids: Vec<AssetId>,
    /// Say for each hit why it is there.
    #[arg(long)]
    pub explain: bool,
    /// A receipt's sequence: search when everything up to it is in, or end with code 4.
    #[arg(long)]
    pub min_seq: Option<u64>,
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct OneFile {
    pub file: PathBuf,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Chunk {
    pub file: PathBuf,
    /// How to cut: `semantic` or `fixed`; what `HEIMDEX_CHUNK_STRATEGY` says, else `semantic`. The other settings come from
    /// `HEIMDEX_CHUNK_*`, as in the service.
    #[arg(long)]
    pub strategy: Option<StrategyName>,
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub model: ModelOptions,
}

#[derive(Debug, Args)]
pub struct Eval {
    /// A folder in BEIR layout.
    pub dir: PathBuf,
    /// What to score: `dense`, `sparse`, `hybrid`; several make a JSON array.
    #[arg(long, value_delimiter = ',', default_value = "hybrid")]
    pub mode: Vec<String>,
    /// `rrf` or `dbsf`; the service's default when absent.
    #[arg(long)]
    pub fusion: Option<String>,
    /// Only the first N judged queries.
    #[arg(long)]
    pub queries: Option<usize>,
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub model: ModelOptions,
}

#[derive(Debug, Subcommand)]
pub enum Models {
    /// The installed models.
    Ls {
        #[arg(long)]
        json: bool,
    },
    /// Export a sentence-transformers folder (BERT, RoBERTa, XLM-R or MPNet; safetensors) to ONNX and install it.
    Import(ModelImport),
    /// Embed the reference texts and compare.
    Verify {
        #[command(flatten)]
        model: ModelOptions,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct ModelImport {
    pub folder: PathBuf,
    /// The name to install it under; the folder's name otherwise.
    #[arg(long)]
    pub name: Option<ModelName>,
    /// What stands before each query, such as `query: `; what the folder says otherwise.
    #[arg(long, default_value = "")]
    pub query_prefix: String,
    /// What stands before each document, such as `passage: `; what the folder says otherwise.
    #[arg(long, default_value = "")]
    pub document_prefix: String,
    /// Languages it was trained on, as `en,de`; none means that it reads all.
    #[arg(long, value_delimiter = ',')]
    pub languages: Vec<String>,
    /// Its licence, as an SPDX identifier.
    #[arg(long, default_value = "")]
    pub license: String,
    /// Export 16-bit floats as well, for GPUs.
    #[arg(long)]
    pub fp16: bool,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Embedding throughput. Several providers run one after the other, each in a process of its own.
    Embed {
        #[arg(long, value_delimiter = ',', default_value = "auto")]
        provider: Vec<String>,
        #[arg(long, env = "HEIMDEX_MODEL", default_value = DEFAULT_MODEL)]
        model: ModelName,
        #[arg(long, env = "HEIMDEX_EMBED_THREADS")]
        threads: Option<usize>,
        #[arg(long, env = "HEIMDEX_EMBED_SESSIONS")]
        sessions: Option<usize>,
        /// Padded tokens per batch.
        #[arg(long)]
        batch_tokens: Option<usize>,
        /// Texts to embed, one a line; generated ones of mixed length otherwise.
        #[arg(long)]
        texts: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Extraction speed by format, in a child process and without one, and peak memory.
    Extract {
        /// Files, and folders whose files are taken with all below.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// How often each file is read.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Doctor {
    #[arg(long)]
    pub json: bool,
    /// A Qdrant server to check as well.
    #[arg(long, env = "QDRANT_URL")]
    pub qdrant: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct Provision {
    /// Only say what is there and what is missing (exit code 4 when something is).
    #[arg(long)]
    pub check: bool,
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
