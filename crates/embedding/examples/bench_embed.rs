//! Prints what one provider reaches on the lines of a file, as JSON. One process per provider:
//! `cargo run --release -p heimdex-embedding --example bench_embed -- openvino bf16 4096 texts.txt all-minilm-l6-v2`

use heimdex_embedding::{Embedder, Libraries, Limits, Options, Provider, bench, catalogue};
use heimdex_provision::for_stderr;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [provider, precision, batch_tokens, file, model] = arguments.as_slice() else {
        return Err("usage: bench_embed PROVIDER PRECISION BATCH_TOKENS FILE MODEL".into());
    };
    let provider: Provider = provider.parse()?;
    let entry = catalogue::find(model).ok_or("MODEL is not in the catalogue")?;
    let progress = for_stderr();
    let libraries = Libraries::ensure(provider, progress.as_ref())?;
    let options = Options {
        provider,
        precision: precision.parse()?,
        libraries,
        limits: Limits { batch_tokens: batch_tokens.parse()?, ..Limits::default() },
        ..Options::new(entry.ensure(progress.as_ref())?)
    };
    let embedder = Embedder::open(options)?;
    let content = std::fs::read_to_string(file)?;
    let fits = |line: &&str| embedder.encode(line, heimdex_embedding::Kind::Document).is_ok();
    let texts: Vec<&str> = content.lines().filter(fits).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let report = runtime.block_on(bench::run(&embedder, &texts))?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
