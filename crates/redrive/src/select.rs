//! The letters that a filter lets through, read page by page. Listing, dry runs, replays and purges all read here, so
//! that what is shown is what is done.

use std::collections::VecDeque;

use futures::{Stream, TryStreamExt};
use heimdex_bus::Letter;
use heimdex_bus::dead_letter::Depth;

use crate::{Filter, Redrive, RedriveError};

/// A stretch of the dead-letter stream: after the first sequence, up to the second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub after: u64,
    pub upto: u64,
}

struct Reading<'a> {
    redrive: &'a Redrive,
    filter: &'a Filter,
    stretch: Stretch,
    depth: Depth,
    ready: VecDeque<Letter>,
}

impl Redrive {
    /// Letters that match, oldest first, without their payloads.
    pub fn list<'a>(&'a self, filter: &'a Filter) -> impl Stream<Item = Result<Letter, RedriveError>> + Send + 'a {
        self.select(filter, Stretch { after: 0, upto: u64::MAX }, Depth::Headers)
    }

    pub(crate) fn select<'a>(
        &'a self,
        filter: &'a Filter,
        stretch: Stretch,
        depth: Depth,
    ) -> impl Stream<Item = Result<Letter, RedriveError>> + Send + 'a {
        let reading = Reading { redrive: self, filter, stretch, depth, ready: VecDeque::new() };
        let letters = futures::stream::try_unfold(reading, |mut reading| async move {
            while reading.ready.is_empty() {
                if !reading.next_page().await? {
                    return Ok::<_, RedriveError>(None);
                }
            }
            Ok(reading.ready.pop_front().map(|letter| (letter, reading)))
        });
        letters.try_filter(move |letter| futures::future::ready(filter.matches(letter)))
    }
}

impl Reading<'_> {
    /// `false` at the end of the stretch.
    async fn next_page(&mut self) -> Result<bool, RedriveError> {
        let Stretch { after, upto } = self.stretch;
        if after >= upto {
            return Ok(false);
        }
        let letters = &self.redrive.letters;
        let found = match self.named(after) {
            Some(None) => return Ok(false),
            Some(Some(id)) => {
                self.stretch.after = id;
                letters.get(id).await?.into_iter().collect()
            }
            None => {
                let page = letters.page(&self.filter.address(), after, self.depth).await?;
                let Some(last) = page.last() else { return Ok(false) };
                self.stretch.after = last.sequence;
                page
            }
        };
        self.ready = found.into_iter().filter(|letter| letter.sequence <= upto).collect();
        Ok(true)
    }

    /// The next of the letters that the filter names; the outer `None` when it names none.
    #[expect(clippy::option_option, reason = "no list, and a list at its end, are different things")]
    fn named(&self, after: u64) -> Option<Option<u64>> {
        let ids = &self.filter.ids;
        (!ids.is_empty()).then(|| ids.iter().copied().filter(|id| *id > after).min())
    }
}
