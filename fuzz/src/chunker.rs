//! The chunker over pages that the input describes.

use heimdex_chunker::{DocumentText, Settings, StrategyName, TokenOffsets, TokenizerError, chunk_document};
use heimdex_schemas::{Block, BlockKind, Page};

/// A token for each word, and for each character that is no letter.
struct Words;

impl TokenOffsets for Words {
    fn name(&self) -> &str {
        "words"
    }

    fn offsets(&self, text: &str) -> Result<Vec<(usize, usize)>, TokenizerError> {
        let mut tokens: Vec<(usize, usize)> = Vec::new();
        let mut inside = false;
        for (at, c) in text.char_indices() {
            let end = at + c.len_utf8();
            match tokens.last_mut() {
                Some(last) if inside && c.is_alphanumeric() => last.1 = end,
                _ if c.is_whitespace() => {}
                _ => tokens.push((at, end)),
            }
            inside = c.is_alphanumeric();
        }
        Ok(tokens)
    }

    fn window(&self) -> usize {
        254
    }
}

/// The first three bytes are the settings, then come pages between form feeds, and in them a block in each line, its first
/// character saying its kind.
pub fn chunk(bytes: &[u8]) {
    let Some((&[size, overlap, flags], text)) = bytes.split_first_chunk() else { return };
    let text = String::from_utf8_lossy(text);
    let pages: Vec<Page> =
        (1..).zip(text.split('\u{C}')).map(|(number, text)| page(number, text, flags & 2 != 0)).collect();
    let document = DocumentText::new(&pages, Some(["en", "ja"][usize::from(flags & 1)]));
    let max_tokens = usize::from(size).max(1);
    let overlap = (flags & 8 != 0).then(|| usize::from(overlap) % max_tokens);
    for strategy in [StrategyName::Fixed, StrategyName::Semantic] {
        let settings = Settings { strategy, max_tokens, overlap, headings: flags & 4 != 0, ..Settings::default() };
        let Ok(cutter) = settings.strategy(Words.window()) else { continue };
        let Ok(chunks) = chunk_document(&document, cutter.as_ref(), &Words, 7) else { continue };
        let whole: Vec<char> = document.text().chars().collect();
        let mut covered = 0;
        for chunk in &chunks {
            let [from, to] = chunk.span.map(|at| at as usize);
            assert!(from <= to && to <= whole.len(), "span {:?} of {}", chunk.span, whole.len());
            assert_eq!(chunk.text, whole[from..to].iter().collect::<String>(), "a chunk is its span");
            let gap: String = whole.get(covered..from).unwrap_or_default().iter().collect();
            assert_eq!(Words.count(&gap).unwrap(), 0, "nothing is left out");
            covered = covered.max(to);
            let tokens = Words.count(&chunk.input()).unwrap();
            assert!(tokens == chunk.tokens as usize && tokens <= max_tokens, "{tokens} tokens, limit {max_tokens}");
        }
        let rest: String = whole.get(covered..).unwrap_or_default().iter().collect();
        assert_eq!(Words.count(&rest).unwrap(), 0, "nothing is left out at the end");
    }
}

fn page(number: u32, text: &str, with_blocks: bool) -> Page {
    if !with_blocks {
        return Page::plain(number, text);
    }
    let mut page = Page::plain(number, "");
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let gap = if page.text.is_empty() { "" } else { "\n\n" };
        page.text.push_str(gap);
        let from = page.text.chars().count() as u32;
        page.text.push_str(line.trim());
        let span = [from, page.text.chars().count() as u32];
        page.blocks.push(Block { kind: kind(line), span });
    }
    page
}

fn kind(line: &str) -> BlockKind {
    match line.chars().next() {
        Some('#') => BlockKind::Heading { level: 1 },
        Some('=') => BlockKind::Heading { level: 2 },
        Some('*') => BlockKind::ListItem,
        Some('|') => BlockKind::Table { header_rows: 1 },
        Some('`') => BlockKind::Code,
        _ => BlockKind::Paragraph,
    }
}
