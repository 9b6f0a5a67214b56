//! What is uploaded: a fixed pool of documents in six languages, in families whose versions share most of their text, so that a
//! new version of an asset keeps most of its vectors. The pool is the same for every seed; what differs is who uploads
//! which of it when.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use heimdex_e2e::documents;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// In every paragraph of every generated document, so that one search finds them all.
pub const ANCHOR: &str = "halvorsen";
/// Of the generated texts.
const SEED: u64 = 7;
/// Versions of each generated family.
const VERSIONS: usize = 4;
/// Paragraphs of the generated families, the large one excepted.
const PARAGRAPHS: [usize; 12] = [1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8];
/// Paragraphs of the large family: more chunks than one part holds (64).
const LARGE: usize = 120;
/// Words of a paragraph, from and to.
const WORDS: (usize, usize) = (60, 140);
/// Larger files of a folder are left out.
const MAX_BYTES: u64 = 2 << 20;

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Good,
    /// Of several parts.
    Large,
    /// Cannot be read, and is dead-lettered for it.
    Bad,
}

/// One document.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Entries of one family are versions of one document.
    pub family: usize,
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

impl Entry {
    /// Whether a search for [`ANCHOR`] finds it.
    #[must_use]
    pub fn is_anchored(&self) -> bool {
        self.bytes.windows(ANCHOR.len()).any(|bytes| bytes == ANCHOR.as_bytes())
    }
}

/// The documents, by number.
#[derive(Debug, Clone)]
pub struct Pool {
    pub entries: Vec<Entry>,
}

impl Pool {
    /// The generated documents and the PDFs of `folder`, or of this repository's samples.
    ///
    /// # Errors
    /// When the folder cannot be read or has no PDF, HTML or TXT of at most 2 MiB.
    pub fn new(folder: Option<&Path>) -> anyhow::Result<Self> {
        let mut random = StdRng::seed_from_u64(SEED);
        let mut families: Vec<(Kind, Vec<Vec<u8>>)> = Vec::new();
        for (n, paragraphs) in PARAGRAPHS.into_iter().enumerate() {
            let versions = versions(&mut random, LANGUAGES[n % LANGUAGES.len()], paragraphs);
            families.push((Kind::Good, versions.iter().map(|version| render(n, version)).collect()));
        }
        let large = versions(&mut random, LANGUAGES[0], LARGE).into_iter().take(2);
        families.push((Kind::Large, large.map(|version| version.join("\n\n").into_bytes()).collect()));
        families.extend(files(folder)?.into_iter().map(|bytes| (Kind::Good, vec![bytes])));
        let bad = [documents::encrypted_pdf(), documents::truncated_pdf(), documents::executable()];
        families.extend(bad.map(|bytes| (Kind::Bad, vec![bytes])));
        let entry = |family, kind, bytes| Entry { family, kind, bytes };
        let entries = families.into_iter().enumerate().flat_map(|(family, (kind, versions))| {
            versions.into_iter().map(move |bytes| entry(family, kind, bytes)).collect::<Vec<_>>()
        });
        Ok(Self { entries: entries.collect() })
    }

    /// The families of a kind, each with the numbers of its entries.
    #[must_use]
    pub fn families(&self, kind: Kind) -> Vec<Vec<usize>> {
        let mut families: Vec<Vec<usize>> = Vec::new();
        let mut last = None;
        for (n, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.kind == kind) {
            match families.last_mut() {
                Some(family) if last == Some(entry.family) => family.push(n),
                _ => families.push(vec![n]),
            }
            last = Some(entry.family);
        }
        families
    }
}

/// The versions of one document: each changes one paragraph of the first.
fn versions(random: &mut StdRng, language: &Language, paragraphs: usize) -> Vec<Vec<String>> {
    let first: Vec<String> = (0..paragraphs).map(|_| paragraph(random, language)).collect();
    let mut versions = vec![first.clone()];
    for n in 1..VERSIONS {
        let mut version = first.clone();
        // The last one changes first, so that what comes before it stays as it was.
        let changed = paragraphs - 1 - (n - 1) % paragraphs;
        if let Some(place) = version.get_mut(changed) {
            *place = paragraph(random, language);
        }
        versions.push(version);
    }
    versions
}

fn paragraph(random: &mut StdRng, language: &Language) -> String {
    let words = random.random_range(WORDS.0..=WORDS.1);
    let mut text = format!("{ANCHOR} ");
    let mut left_in_sentence = random.random_range(6..16);
    for _ in 0..words {
        text.push_str(language.words.choose(random).unwrap_or(&""));
        left_in_sentence -= 1;
        if left_in_sentence == 0 {
            text.push_str(language.stop);
            left_in_sentence = random.random_range(6..16);
        } else {
            text.push_str(language.space);
        }
    }
    text.push_str(language.stop.trim_end());
    text
}

/// Text, HTML, or PDF where the text is plain enough for the small writer of the test documents.
fn render(n: usize, paragraphs: &[String]) -> Vec<u8> {
    let is_plain = paragraphs.iter().all(|text| text.is_ascii());
    match n % 3 {
        1 => documents::html("Report", &paragraphs.iter().map(|text| format!("<p>{text}</p>")).collect::<String>()),
        2 if is_plain => documents::pdf(&paragraphs.iter().map(String::as_str).collect::<Vec<_>>()),
        _ => paragraphs.join("\n\n").into_bytes(),
    }
}

/// The files of `folder`, or the samples' PDFs.
fn files(folder: Option<&Path>) -> anyhow::Result<Vec<Vec<u8>>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let wanted: &[&str] = if folder.is_some() { &["pdf", "html", "txt"] } else { &["pdf"] };
    let folder = folder.unwrap_or(&samples);
    let mut found = Vec::new();
    collect(folder, wanted, &mut found)?;
    found.sort();
    ensure!(!found.is_empty(), "{} has no PDF, HTML or TXT of at most {MAX_BYTES} bytes", folder.display());
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    found.iter().map(read).collect()
}

fn collect(folder: &Path, wanted: &[&str], into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let kind = std::fs::metadata(&path)?;
        if kind.is_dir() {
            collect(&path, wanted, into)?;
        } else if wanted.contains(&extension.as_str()) && kind.len() <= MAX_BYTES {
            into.push(path);
        }
    }
    Ok(())
}

/// Enough words of a language for texts that are told apart.
struct Language {
    words: &'static [&'static str],
    space: &'static str,
    stop: &'static str,
}

const LANGUAGES: [&Language; 6] = [
    &Language {
        words: &[
            "harbour",
            "meeting",
            "invoice",
            "the",
            "of",
            "a",
            "morning",
            "bridge",
            "contract",
            "engine",
            "garden",
            "letter",
            "was",
            "and",
            "with",
            "signed",
            "repaired",
            "before",
            "winter",
            "station",
            "library",
            "quiet",
            "north",
            "budget",
            "council",
            "river",
            "photograph",
            "ticket",
            "under",
            "machine",
            "weather",
            "report",
        ],
        space: " ",
        stop: ". ",
    },
    &Language {
        words: &[
            "puerto",
            "reunión",
            "factura",
            "la",
            "de",
            "un",
            "mañana",
            "puente",
            "contrato",
            "motor",
            "jardín",
            "carta",
            "fue",
            "y",
            "con",
            "firmado",
            "reparado",
            "antes",
            "invierno",
            "estación",
            "biblioteca",
            "río",
        ],
        space: " ",
        stop: ". ",
    },
    &Language {
        words: &[
            "harbor", "ledger", "invoice", "the", "of", "one", "evening", "tunnel", "permit", "turbine", "orchard",
            "parcel", "is", "and", "by", "sealed", "painted", "after", "summer", "depot", "archive", "narrow", "south",
        ],
        space: " ",
        stop: ". ",
    },
    &Language {
        words: &[
            "Hafen",
            "Sitzung",
            "Rechnung",
            "die",
            "von",
            "ein",
            "Morgen",
            "Brücke",
            "Vertrag",
            "Maschine",
            "Garten",
            "Brief",
            "wurde",
            "und",
            "mit",
            "unterschrieben",
            "geprüft",
            "vor",
            "Winter",
            "Bahnhof",
            "Bücherei",
        ],
        space: " ",
        stop: ". ",
    },
    &Language {
        words: &[
            "会议",
            "合同",
            "港口",
            "的",
            "桥梁",
            "花园",
            "图书馆",
            "冬天",
            "修理",
            "机器",
            "车站",
            "安静",
            "预算",
            "河流",
            "照片",
            "票据",
        ],
        space: "",
        stop: "。",
    },
    &Language {
        words: &[
            "会議",
            "契約",
            "港",
            "の",
            "橋",
            "庭園",
            "図書館",
            "冬",
            "修理",
            "機械",
            "駅",
            "静か",
            "予算",
            "川",
            "写真",
            "切符",
            "は",
            "を",
        ],
        space: "",
        stop: "。",
    },
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_pool_is_the_same_each_time_and_its_documents_are_all_different() {
        let (first, again) = (Pool::new(None).unwrap(), Pool::new(None).unwrap());
        let bytes = |pool: &Pool| pool.entries.iter().map(|entry| entry.bytes.clone()).collect::<Vec<_>>();
        assert_eq!(bytes(&first), bytes(&again));
        assert_eq!(bytes(&first).into_iter().collect::<BTreeSet<_>>().len(), first.entries.len());
    }

    #[test]
    fn families_are_versions_of_one_document() {
        let pool = Pool::new(None).unwrap();
        let good = pool.families(Kind::Good);
        assert!(good.len() > PARAGRAPHS.len(), "the samples' PDFs come on top");
        assert!(good[..PARAGRAPHS.len()].iter().all(|family| family.len() == VERSIONS));
        assert_eq!((pool.families(Kind::Large).len(), pool.families(Kind::Bad).len()), (1, 3));
        let text = |n: usize| String::from_utf8_lossy(&pool.entries[n].bytes).into_owned();
        let large = pool.families(Kind::Large)[0].iter().map(|n| text(*n)).collect::<Vec<_>>();
        assert_eq!(large.len(), 2);
        let shared = large[0].split("\n\n").zip(large[1].split("\n\n")).filter(|(a, b)| a == b).count();
        assert_eq!(shared, LARGE - 1);
    }
}
