//! One document through one child: what it says as it reads, and who is to hear it.

use std::collections::BTreeMap;

use crate::ocr::{Picture, Recognized};
use crate::pool::Inner;
use crate::ranges::{Range, Ranges, Start};
use crate::worker::{Answer, Worker};
use crate::{Document, ExtractError, Failure, Page, Request, Warning, language};

/// How a child's reading ended: the document's outcome, or the reason of whoever took the ranges.
pub(crate) type Ended<E> = Result<Result<Document, ExtractError>, E>;

/// A document that is being read.
pub(crate) struct Reading<'a, R> {
    pub(crate) inner: &'a Inner,
    pub(crate) worker: &'a mut Worker,
    pub(crate) ranges: &'a mut R,
    recognized: BTreeMap<u32, Result<Recognized, ()>>,
    /// Bytes of text so far.
    text_bytes: u64,
    /// The next page that may come.
    next: u32,
}

impl<'a, R: Ranges> Reading<'a, R> {
    pub(crate) fn new(inner: &'a Inner, worker: &'a mut Worker, ranges: &'a mut R) -> Self {
        Self { inner, worker, ranges, recognized: BTreeMap::new(), text_bytes: 0, next: 1 }
    }

    /// Reads to the end. The outcome's document has the pages that no range had.
    pub(crate) async fn run(mut self, request: Request<'_>) -> Ended<R::Error> {
        if let Err(error) = self.worker.ask(request, &self.inner.config.limits).await {
            return Ok(Err(error));
        }
        loop {
            match self.worker.answer(&self.inner.config.limits).await {
                Ok(Answer::Outcome(outcome)) => return Ok(outcome.map(|last| self.last(last)).map_err(Into::into)),
                Ok(Answer::Opened(pages)) => {
                    let start = self.ranges.begin(pages).await?;
                    if let Err(error) = self.begin(start).await {
                        return Ok(Err(error));
                    }
                }
                Ok(Answer::Picture(number, picture)) => self.recognize(number, &picture).await,
                Ok(Answer::Range(range)) => match self.check(range) {
                    Ok(range) => self.ranges.take(range).await?,
                    Err(failure) => return Ok(self.worker.end(failure).map_err(Into::into)),
                },
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    async fn begin(&mut self, start: Start) -> Result<(), ExtractError> {
        self.next = start.page;
        self.worker.begin(start).await
    }

    /// A child may be under a document's control: its ranges must be those that were asked for.
    fn check(&mut self, mut range: Range) -> Result<Range, Failure> {
        let limits = &self.inner.config.limits;
        let numbers = range.pages.iter().map(|page| u64::from(page.number));
        if range.pages.is_empty() || !numbers.eq((u64::from(self.next)..).take(range.pages.len())) {
            let detail = format!("it left a range that does not begin with page {}", self.next);
            return Err(Failure::Crashed { detail });
        }
        self.text_bytes = self.text_bytes.saturating_add(range.text_bytes());
        if self.text_bytes > limits.max_text_bytes {
            return Err(Failure::too_large("text bytes", limits.max_text_bytes));
        }
        self.next = self.next.saturating_add(u32::try_from(range.pages.len()).unwrap_or(u32::MAX));
        self.put_in(&mut range.pages, &mut range.warnings);
        Ok(range)
    }

    fn last(&mut self, mut last: Document) -> Document {
        if self.put_in(&mut last.pages, &mut last.warnings) {
            language::assign(&mut last);
        }
        last
    }

    async fn recognize(&mut self, number: u32, picture: &Picture) {
        let Some(recognizer) = &self.inner.recognizer else { return };
        let read = recognizer.recognize(picture, &self.inner.spawner).await;
        let read = read.map_err(|error| tracing::warn!(%error, page = number, "a page could not be recognized"));
        self.recognized.insert(number, read);
    }

    /// Puts recognized text in its pages. Returns whether there was any.
    fn put_in(&mut self, pages: &mut [Page], warnings: &mut Vec<Warning>) -> bool {
        let usable_from = self.inner.recognizer.as_ref().map_or(u8::MAX, |recognizer| recognizer.usable_from());
        let mut any = false;
        for page in pages {
            match self.recognized.remove(&page.number) {
                Some(Ok(recognized)) => {
                    any = true;
                    adopt(page, recognized, usable_from);
                }
                Some(Err(())) => warnings.push(Warning::OcrFailed { number: page.number }),
                None => {}
            }
        }
        any
    }
}

/// What is hardly legible would only be noise in the index: such a page keeps what it had, and its confidence says why.
fn adopt(page: &mut Page, Recognized { page: read, confidence }: Recognized, usable_from: u8) {
    page.ocr_confidence = Some(confidence);
    if confidence >= usable_from && !read.text.is_empty() {
        page.needs_ocr = false;
        page.text = read.text;
        page.blocks = read.blocks;
        page.origins = Vec::new();
        page.language = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ocr;

    #[test]
    fn only_legible_text_goes_into_a_page() {
        let table = "level\tpage_num\t\n5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t61\tRead\n";
        for (usable_from, text, needs_ocr) in [(61, "Read", false), (62, "", true)] {
            let mut page = Page { needs_ocr: true, label: Some("iv".to_owned()), ..Page::plain(4, "") };
            if let Ok(recognized) = ocr::read(table) {
                adopt(&mut page, recognized, usable_from);
            }
            assert_eq!((page.text.as_str(), page.needs_ocr, page.ocr_confidence), (text, needs_ocr, Some(61)));
            assert_eq!((page.number, page.label.as_deref()), (4, Some("iv")));
        }
    }
}
