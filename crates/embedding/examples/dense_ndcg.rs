//! Scores a model alone: nDCG@10 of exact dense search on folders in BEIR layout, with a 95 % bootstrap interval, its
//! speed on the documents, and its memory. One JSON line for each folder. Vectors are kept in files, so that a second
//! run only scores.
//! `dense_ndcg multilingual-e5-small cpu fp32 600 VECTORS_FOLDER DATA_FOLDER…`

use std::{
    collections::HashMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use heimdex_embedding::{Embedder, Kind, Lane, Libraries, Options, Provider, catalogue};
use heimdex_provision::for_stderr;
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

const RESAMPLES: usize = 2_000;
const DEPTH: usize = 10;
/// Rows given to the batcher at once.
const BATCH: usize = 512;

/// A judged collection: documents, and queries with the gain of each relevant document.
struct Collection {
    name: String,
    documents: Vec<(String, String)>,
    queries: Vec<(String, HashMap<String, f64>)>,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, provider, precision, queries, vectors, folders @ ..] = arguments.as_slice() else {
        return Err("usage: dense_ndcg MODEL PROVIDER PRECISION QUERIES VECTORS_FOLDER DATA_FOLDER…".into());
    };
    let before = memory("VmRSS");
    let embedder = open(model, provider, precision)?;
    let loaded = memory("VmRSS");
    for folder in folders {
        let collection = read(Path::new(folder), queries.parse()?)?;
        let stem = format!("{model}-{provider}-{precision}-{}", collection.name);
        let mut line = score(&embedder, &collection, &Path::new(vectors).join(stem))?;
        line["model"] = json!(model);
        line["numerics"] = json!(embedder.numerics().to_string());
        line["mib"] = json!({"before": before, "loaded": loaded, "peak": memory("VmHWM")});
        println!("{line}");
    }
    Ok(())
}

fn open(model: &str, provider: &str, precision: &str) -> Outcome<Embedder> {
    let progress = for_stderr();
    let folder = match catalogue::find(model) {
        Some(entry) => entry.ensure(progress.as_ref())?,
        None => PathBuf::from(model),
    };
    let provider: Provider = provider.parse()?;
    let libraries = Libraries::ensure(provider, progress.as_ref())?;
    let options = Options { provider, precision: precision.parse()?, libraries, ..Options::new(folder) };
    Ok(Embedder::open(options)?)
}

/// A line of `/proc/self/status` in MiB.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

fn read(folder: &Path, most: usize) -> Outcome<Collection> {
    let text = |line: &Value| {
        let part = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        (part("_id"), format!("{} {}", part("title"), part("text")).trim().to_owned())
    };
    let lines = |name: &str| -> Outcome<Vec<(String, String)>> {
        let content = fs::read_to_string(folder.join(name))?;
        content.lines().map(|line| Ok(text(&serde_json::from_str(line)?))).collect()
    };
    let mut judged = HashMap::<String, HashMap<String, f64>>::new();
    for line in fs::read_to_string(folder.join("qrels/test.tsv"))?.lines().skip(1) {
        if let [query, document, gain] = line.split('\t').collect::<Vec<_>>().as_slice() {
            let gain: f64 = gain.trim().parse()?;
            judged.entry((*query).to_owned()).or_default().extend((gain > 0.0).then(|| ((*document).to_owned(), gain)));
        }
    }
    let queries = lines("queries.jsonl")?.into_iter();
    let queries = queries.filter_map(|(id, text)| Some((text, judged.remove(&id)?))).take(most).collect();
    let names: Vec<_> = folder.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
    let name = names.into_iter().rev().collect::<Vec<_>>().join("-");
    Ok(Collection { name, documents: lines("corpus.jsonl")?, queries })
}

fn score(embedder: &Embedder, collection: &Collection, stem: &Path) -> Outcome<Value> {
    let documents: Vec<&str> = collection.documents.iter().map(|(_, text)| text.as_str()).collect();
    let queries: Vec<&str> = collection.queries.iter().map(|(text, _)| text.as_str()).collect();
    let (documents, speed) = vectors(embedder, &documents, Kind::Document, &stem.with_extension("documents"))?;
    let (queries, _) = vectors(embedder, &queries, Kind::Query, &stem.with_extension("queries"))?;
    let judged = collection.queries.iter().map(|(_, judged)| judged);
    let scores: Vec<f64> =
        queries.iter().zip(judged).map(|(query, judged)| ndcg(query, &documents, collection, judged)).collect();
    let [low, high] = interval(&scores);
    let round = |value: f64| (value * 10_000.0).round() / 10_000.0;
    Ok(json!({
        "set": collection.name, "queries": scores.len(), "ndcg10": round(mean(&scores)),
        "interval95": [round(low), round(high)], "tokens_per_s": speed.map(f64::round),
    }))
}

/// Vectors of `texts`, each cut to the window, and tokens per second; those of an earlier run have no speed.
fn vectors(embedder: &Embedder, texts: &[&str], kind: Kind, file: &Path) -> Outcome<(Vec<Vec<f32>>, Option<f64>)> {
    let dimension = embedder.model().dimension();
    if let Ok(bytes) = fs::read(file)
        && bytes.len() == texts.len() * dimension * 4
    {
        let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        return Ok((values.chunks(dimension).map(<[f32]>::to_vec).collect(), None));
    }
    let rows = texts.iter().map(|text| row(embedder, text, kind)).collect::<Outcome<Vec<_>>>()?;
    let tokens: usize = rows.iter().map(Vec::len).sum();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let start = Instant::now();
    let mut all = Vec::with_capacity(rows.len());
    for part in rows.chunks(BATCH) {
        let vectors = runtime.block_on(embedder.batcher().embed(part.to_vec(), Lane::Bulk));
        all.extend(vectors.into_iter().collect::<Result<Vec<_>, _>>()?);
    }
    let speed = tokens as f64 / start.elapsed().as_secs_f64();
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    fs::write(file, all.iter().flatten().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok((all, Some(speed)))
}

/// Token ids of `text`; of one that is too long, as many as fit.
fn row(embedder: &Embedder, text: &str, kind: Kind) -> Outcome<Vec<u32>> {
    if let Ok(ids) = embedder.encode(text, kind) {
        return Ok(ids);
    }
    let manifest = embedder.model().manifest();
    let prefix = if kind == Kind::Query { &manifest.query_prefix } else { &manifest.document_prefix };
    let around = embedder.tokenizer().encode("")?;
    let room = manifest.max_tokens - embedder.tokenizer().special_tokens();
    let ids = embedder.tokenizer().tokenize(&format!("{prefix}{text}"))?.ids;
    let (first, last) = (around.first().copied(), around.last().copied());
    Ok(first.into_iter().chain(ids.into_iter().take(room)).chain(last).collect())
}

fn ndcg(query: &[f32], documents: &[Vec<f32>], collection: &Collection, judged: &HashMap<String, f64>) -> f64 {
    let dot = |vector: &Vec<f32>| query.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>();
    let mut ranked: Vec<(f32, usize)> = documents.iter().map(dot).zip(0..).collect();
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let discount = |rank: usize| 1.0 / ((rank + 2) as f64).log2();
    let gain = |index: usize| collection.documents.get(index).and_then(|(id, _)| judged.get(id)).copied();
    let found: f64 = ranked
        .iter()
        .take(DEPTH)
        .enumerate()
        .map(|(rank, (_, index))| gain(*index).unwrap_or(0.0) * discount(rank))
        .sum();
    let mut ideal: Vec<f64> = judged.values().copied().collect();
    ideal.sort_unstable_by(|a, b| b.total_cmp(a));
    let best: f64 = ideal.iter().take(DEPTH).enumerate().map(|(rank, gain)| gain * discount(rank)).sum();
    if best > 0.0 { found / best } else { 0.0 }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// 95 % percentile bootstrap interval of the mean; the same for the same values (xorshift, Marsaglia 2003).
fn interval(values: &[f64]) -> [f64; 2] {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % values.len().max(1) as u64) as usize
    };
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sample: f64 = (0..values.len()).filter_map(|_| values.get(draw())).sum();
            sample / values.len().max(1) as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| means.get(RESAMPLES * share / 1_000).copied().unwrap_or(f64::NAN);
    [at(25), at(975)]
}
