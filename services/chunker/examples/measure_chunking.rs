//! How well chunks are found: cuts the documents of a judged collection with several settings, embeds chunks and queries
//! with the default model, ranks documents by their best chunk and prints nDCG@10 for each.
//!
//! `measure_chunking CACHE FOLDER… [--documents N] [--queries N] [--articles] SETTINGS…`
//!
//! A folder is in BEIR layout (`corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`). SETTINGS are JSON, e.g.
//! `{"strategy":"fixed","max_tokens":254}`. CACHE keeps vectors between runs. With `--articles` the paragraphs of one title
//! are one document, and what is ranked are paragraphs: a chunk counts for each paragraph it holds at least half of, or that holds
//! half of the chunk.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a measurement may fail loudly")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use heimdex_chunker::{DocumentText, ModelTokens, Settings, TokenOffsets as _, chunk_document};
use heimdex_embedding::{Embedder, Kind, Lane, Options, default_model};
use heimdex_provision::Quiet;
use heimdex_schemas::{Chunk, Page};
use serde_json::Value;

const DEPTH: usize = 10;
const BATCH: usize = 512;

#[derive(Default)]
struct Arguments {
    cache: PathBuf,
    folders: Vec<PathBuf>,
    settings: Vec<Settings>,
    documents: Option<usize>,
    queries: Option<usize>,
    articles: bool,
}

impl Arguments {
    fn read() -> Self {
        let mut arguments = Self::default();
        let mut words = std::env::args().skip(1);
        arguments.cache = words.next().expect("a cache file").into();
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|n| n.parse().ok());
            match word.as_str() {
                "--documents" => arguments.documents = number(),
                "--queries" => arguments.queries = number(),
                "--articles" => arguments.articles = true,
                json if json.starts_with('{') => arguments.settings.push(serde_json::from_str(json).unwrap()),
                folder => arguments.folders.push(folder.into()),
            }
        }
        arguments
    }
}

/// Vectors by the text they are of.
struct Vectors {
    known: HashMap<String, Vec<f32>>,
    file: BufWriter<File>,
    embedder: Embedder,
}

impl Vectors {
    fn open(path: &Path) -> Self {
        let mut known = HashMap::new();
        if let Ok(file) = File::open(path) {
            let mut file = BufReader::new(file);
            while let Some((text, vector)) = entry(&mut file) {
                known.insert(text, vector);
            }
        }
        let file = BufWriter::new(OpenOptions::new().create(true).append(true).open(path).unwrap());
        let embedder = Embedder::open(Options::new(default_model(&Quiet).unwrap())).unwrap();
        Self { known, file, embedder }
    }

    async fn ensure(&mut self, texts: impl Iterator<Item = String>, kind: Kind) {
        let fresh: HashSet<String> = texts.filter(|text| !self.known.contains_key(text)).collect();
        let fresh: Vec<String> = fresh.into_iter().collect();
        for batch in fresh.chunks(BATCH) {
            let vectors = self.embedder.embed(batch, Lane::Bulk, kind).await;
            for (text, vector) in batch.iter().zip(vectors) {
                let vector = vector.unwrap();
                write(&mut self.file, text, &vector);
                self.known.insert(text.clone(), vector);
            }
            self.file.flush().unwrap();
        }
    }
}

fn entry(file: &mut impl std::io::Read) -> Option<(String, Vec<f32>)> {
    let mut sizes = [0; 8];
    file.read_exact(&mut sizes).ok()?;
    let size = |at: usize| u32::from_le_bytes(sizes[at..at + 4].try_into().unwrap()) as usize;
    let (mut text, mut vector) = (vec![0; size(0)], vec![0; size(4) * 4]);
    file.read_exact(&mut text).ok()?;
    file.read_exact(&mut vector).ok()?;
    let numbers = vector.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    Some((String::from_utf8(text).ok()?, numbers.collect()))
}

fn write(file: &mut impl std::io::Write, text: &str, vector: &[f32]) {
    file.write_all(&(text.len() as u32).to_le_bytes()).unwrap();
    file.write_all(&(vector.len() as u32).to_le_bytes()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    vector.iter().for_each(|number| file.write_all(&number.to_le_bytes()).unwrap());
}

/// What is cut, and which judged texts it holds: their ids, and their spans in characters.
struct Source {
    text: String,
    parts: Vec<(String, [u64; 2])>,
}

struct Collection {
    name: String,
    language: Option<String>,
    sources: Vec<Source>,
    queries: Vec<(String, HashMap<String, u32>)>,
}

fn lines(path: PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(record: &Value, key: &str) -> String {
    record[key].as_str().unwrap_or_default().to_owned()
}

fn load(folder: &Path, arguments: &Arguments) -> Collection {
    let mut judged: BTreeMap<String, HashMap<String, u32>> = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("qrels/test.tsv")).unwrap().lines().skip(1) {
        let mut fields = line.split('\t');
        let (query, document) = (fields.next().unwrap().to_owned(), fields.next().unwrap().to_owned());
        let gain = fields.next().unwrap().trim().parse::<i32>().unwrap().max(0) as u32;
        judged.entry(query).or_default().insert(document, gain);
    }
    let mut queries: Vec<_> = lines(folder.join("queries.jsonl"))
        .iter()
        .filter_map(|query| Some((text(query, "text"), judged.remove(&text(query, "_id"))?)))
        .collect();
    queries.truncate(arguments.queries.unwrap_or(usize::MAX));
    let wanted: HashSet<&String> = queries.iter().flat_map(|(_, judged)| judged.keys()).collect();
    let mut corpus = lines(folder.join("corpus.jsonl"));
    // A part of the collection keeps all that is judged.
    let mut rest = arguments.documents.unwrap_or(usize::MAX).saturating_sub(wanted.len());
    corpus.retain(|record| {
        let kept = wanted.contains(&text(record, "_id")) || rest > 0;
        rest -= usize::from(rest > 0 && !wanted.contains(&text(record, "_id")));
        kept
    });
    let name = folder.iter().rev().take(2).map(|part| part.to_string_lossy()).collect::<Vec<_>>();
    let name = format!("{}/{}", name[1], name[0]);
    let language = match name.as_str() {
        "xquad/en" | "ir/scifact" | "ir/cranfield" | "ir/cacm" => "en",
        "xquad/de" => "de",
        "xquad/es" => "es",
        "xquad/zh" => "zh",
        "ml/piaf-fr" => "fr",
        "ml/jaquad-dev" => "ja",
        _ => "",
    };
    let language = Some(language.to_owned()).filter(|language| !language.is_empty());
    Collection { name, language, sources: sources(&corpus, arguments.articles), queries }
}

fn sources(corpus: &[Value], articles: bool) -> Vec<Source> {
    let mut sources: Vec<(String, Source)> = Vec::new();
    for record in corpus {
        let (title, id) = (text(record, "title"), text(record, "_id"));
        let own =
            if articles { text(record, "text") } else { format!("{title} {}", text(record, "text")).trim().to_owned() };
        let known = sources.iter().position(|(known, _)| articles && *known == title);
        let at = known.unwrap_or_else(|| {
            sources.push((title, Source { text: String::new(), parts: Vec::new() }));
            sources.len() - 1
        });
        let source = &mut sources[at].1;
        if !source.text.is_empty() {
            source.text.push_str("\n\n");
        }
        let start = source.text.chars().count() as u64;
        source.text.push_str(&own);
        source.parts.push((id, [start, source.text.chars().count() as u64]));
    }
    sources.into_iter().map(|(_, source)| source).collect()
}

/// The judged texts that a chunk stands for.
fn stands_for<'a>(chunk: &Chunk, source: &'a Source) -> Vec<&'a str> {
    let shared = |span: &[u64; 2]| span[1].min(chunk.span[1]).saturating_sub(span[0].max(chunk.span[0]));
    let half = |span: &[u64; 2]| shared(span) * 2 >= (span[1] - span[0]).min(chunk.span[1] - chunk.span[0]);
    source.parts.iter().filter(|(_, span)| shared(span) > 0 && half(span)).map(|(id, _)| id.as_str()).collect()
}

fn ndcg(ranked: &[&str], judged: &HashMap<String, u32>) -> f64 {
    let gain = |gain: u32, rank: usize| f64::from(gain) / ((rank + 2) as f64).log2();
    let found: f64 =
        ranked.iter().take(DEPTH).enumerate().filter_map(|(at, id)| Some(gain(*judged.get(*id)?, at))).sum();
    let mut ideal: Vec<u32> = judged.values().copied().collect();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    let best: f64 = ideal.iter().take(DEPTH).enumerate().map(|(at, judged)| gain(*judged, at)).sum();
    if best > 0.0 { found / best } else { 0.0 }
}

async fn score(collection: &Collection, settings: &Settings, tokens: &ModelTokens, vectors: &mut Vectors) -> Vec<f64> {
    let strategy = settings.strategy(tokens.window()).unwrap();
    let started = Instant::now();
    let cut: Vec<(Chunk, Vec<&str>)> = collection
        .sources
        .iter()
        .flat_map(|source| {
            let document = DocumentText::new(&[Page::plain(1, source.text.clone())], collection.language.as_deref());
            let chunks = chunk_document(&document, strategy.as_ref(), tokens, settings.parent_chunks).unwrap();
            chunks.into_iter().map(|chunk| (stands_for(&chunk, source), chunk)).map(|(ids, chunk)| (chunk, ids))
        })
        .collect();
    let seconds = started.elapsed().as_secs_f64();
    let mean = cut.iter().map(|(chunk, _)| u64::from(chunk.tokens)).sum::<u64>() as f64 / cut.len() as f64;
    vectors.ensure(cut.iter().map(|(chunk, _)| chunk.input().into_owned()), Kind::Document).await;
    let matrix: Vec<&Vec<f32>> = cut.iter().map(|(chunk, _)| &vectors.known[chunk.input().as_ref()]).collect();
    let mut scores = Vec::with_capacity(collection.queries.len());
    for (query, judged) in &collection.queries {
        let query = &vectors.known[query];
        let mut best: HashMap<&str, f32> = HashMap::new();
        for (vector, (_, ids)) in matrix.iter().zip(&cut) {
            let similarity: f32 = vector.iter().zip(query).map(|(a, b)| a * b).sum();
            for id in ids {
                let best = best.entry(id).or_insert(similarity);
                *best = best.max(similarity);
            }
        }
        let mut ranked: Vec<(&str, f32)> = best.into_iter().collect();
        ranked.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        let ranked: Vec<&str> = ranked.into_iter().map(|(id, _)| id).collect();
        scores.push(ndcg(&ranked, judged));
    }
    eprintln!("{} chunks of {mean:.0} tokens in {seconds:.1} s", cut.len());
    scores
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Half the width of the 95 % interval of the mean difference between paired values.
fn interval(values: &[f64], base: &[f64]) -> f64 {
    let differences: Vec<f64> = values.iter().zip(base).map(|(value, base)| value - base).collect();
    let center = mean(&differences);
    let squares: f64 = differences.iter().map(|difference| (difference - center).powi(2)).sum();
    1.96 * (squares / differences.len().max(1) as f64).sqrt() / (differences.len().max(1) as f64).sqrt()
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::read();
    let mut vectors = Vectors::open(&arguments.cache);
    let tokens = ModelTokens::of(vectors.embedder.model()).unwrap();
    for folder in &arguments.folders {
        let collection = load(folder, &arguments);
        vectors.ensure(collection.queries.iter().map(|(query, _)| query.clone()), Kind::Query).await;
        let mut base: Option<Vec<f64>> = None;
        for settings in &arguments.settings {
            let scores = score(&collection, settings, &tokens, &mut vectors).await;
            let base = base.get_or_insert_with(|| scores.clone());
            let (ndcg, difference) = (mean(&scores), mean(&scores) - mean(base));
            let json = serde_json::to_string(settings).unwrap();
            println!(
                "{}\t{} documents\t{} queries\t{ndcg:.4}\t{difference:+.4} ± {:.4}\t{json}",
                collection.name,
                collection.sources.len(),
                scores.len(),
                interval(&scores, base)
            );
        }
    }
}
