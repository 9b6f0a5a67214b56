//! Folders in BEIR layout: `corpus.jsonl`, `queries.jsonl`, `qrels/<split>.tsv`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Why a folder is no BEIR folder.
#[derive(Debug, thiserror::Error)]
pub enum BeirError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}: {reason}", path.display())]
    Line { path: PathBuf, line: usize, reason: String },
    #[error("{}: no query has a judgement", .0.display())]
    NothingJudged(PathBuf),
}

#[derive(Debug, Deserialize)]
pub struct Record {
    #[serde(rename = "_id")]
    pub id: String,
    #[serde(default)]
    pub title: String,
    pub text: String,
}

/// Document id to gain; only gains above 0 are kept.
pub type Judgements = HashMap<String, u32>;

pub struct Dataset {
    pub name: String,
    pub corpus: Vec<Record>,
    /// Judged queries, in the order of their file.
    pub queries: Vec<(Record, Judgements)>,
}

pub fn load(dir: &Path) -> Result<Dataset, BeirError> {
    let mut judgements = qrels(&dir.join("qrels").join("test.tsv"))?;
    let queries: Vec<_> = records(&dir.join("queries.jsonl"))?
        .into_iter()
        .filter_map(|query| judgements.remove(&query.id).map(|judged| (query, judged)))
        .collect();
    if queries.is_empty() {
        return Err(BeirError::NothingJudged(dir.to_owned()));
    }
    let name = dir.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok(Dataset { name, corpus: records(&dir.join("corpus.jsonl"))?, queries })
}

fn read(path: &Path) -> Result<String, BeirError> {
    fs::read_to_string(path).map_err(|source| BeirError::Io { path: path.to_owned(), source })
}

fn records(path: &Path) -> Result<Vec<Record>, BeirError> {
    let text = read(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(n, line)| serde_json::from_str(line).map_err(|e| bad_line(path, n, e))).collect()
}

fn bad_line(path: &Path, index: usize, reason: impl ToString) -> BeirError {
    BeirError::Line { path: path.to_owned(), line: index + 1, reason: reason.to_string() }
}

/// `query-id<TAB>corpus-id<TAB>score` with a header line.
fn qrels(path: &Path) -> Result<BTreeMap<String, Judgements>, BeirError> {
    let mut judgements = BTreeMap::<String, Judgements>::new();
    for (n, line) in read(path)?.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let mut fields = line.split('\t');
        let (Some(query), Some(document), Some(gain)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(bad_line(path, n, "expected three fields separated by tabs"));
        };
        let gain: i64 = gain.trim().parse().map_err(|e| bad_line(path, n, e))?;
        if let Some(gain) = u32::try_from(gain).ok().filter(|gain| *gain > 0) {
            judgements.entry(query.to_owned()).or_default().insert(document.to_owned(), gain);
        }
    }
    Ok(judgements)
}
