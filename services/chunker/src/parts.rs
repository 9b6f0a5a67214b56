//! Batches of chunks that fit an event.

use heimdex_schemas::Chunk;

use crate::config::Settings;

/// Splits `chunks` in order so that each part keeps the limits of `settings`; one empty part for no chunks, so that an
/// empty document still gets its receipt.
pub(crate) fn split(chunks: Vec<Chunk>, settings: &Settings) -> Vec<Vec<Chunk>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for chunk in chunks {
        let full = parts.last().is_some_and(|part: &Vec<Chunk>| {
            let over = bytes + size(&chunk) > settings.part_bytes && !part.is_empty();
            over || part.len() >= settings.part_chunks
        });
        if full {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size(&chunk);
        if let Some(part) = parts.last_mut() {
            part.push(chunk);
        }
    }
    parts
}

fn size(chunk: &Chunk) -> usize {
    chunk.prefix.len() + chunk.text.len()
}

#[cfg(test)]
mod tests {
    use super::split;
    use crate::Settings;
    use heimdex_schemas::Chunk;
    use proptest::prelude::*;

    fn chunks(sizes: &[usize]) -> Vec<Chunk> {
        let chunk = |(ordinal, size): (u32, &usize)| {
            let (prefix, text) = ("x".repeat(size / 3), "x".repeat(size - size / 3));
            Chunk { ordinal, prefix, text, ..Chunk::default() }
        };
        (0..).zip(sizes).map(chunk).collect()
    }

    #[test]
    fn no_chunks_are_one_empty_part() {
        assert_eq!(split(Vec::new(), &Settings::default()), vec![Vec::new()]);
    }

    proptest! {
        #[test]
        fn parts_keep_order_and_limits(
            sizes in prop::collection::vec(1_usize..50, 1..80),
            part_chunks in 1_usize..10,
            part_bytes in 1_usize..120,
        ) {
            let settings = Settings { part_chunks, part_bytes, ..Settings::default() };
            let parts = split(chunks(&sizes), &settings);
            for part in &parts {
                let bytes: usize = part.iter().map(super::size).sum();
                prop_assert!(!part.is_empty() && part.len() <= part_chunks);
                prop_assert!(bytes <= part_bytes || part.len() == 1);
            }
            prop_assert_eq!(parts.concat(), chunks(&sizes));
        }
    }
}
