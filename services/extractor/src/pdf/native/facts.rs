//! What a document says of itself: its information dictionary, page labels, outline and attachments.
#![expect(unsafe_code, reason = "PDFium is a C library")]

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use super::{Document, Handle, utf16};

/// A key of the information dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pdf) enum MetaTag {
    Title,
    Author,
    Subject,
    Keywords,
    Creator,
    Producer,
    CreationDate,
    ModDate,
}

/// An entry of the outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pdf) struct Bookmark {
    pub title: String,
    /// From 1.
    pub level: u8,
    /// From 0; `None` when it points nowhere.
    pub page: Option<u32>,
}

impl Document<'_> {
    pub(in crate::pdf) fn meta(&self, tag: MetaTag) -> Option<String> {
        let tag = format!("{tag:?}");
        // SAFETY: the handle is open, and the buffer as long as said.
        utf16(|buffer, size| unsafe {
            self.calls.FPDF_GetMetaText(self.handle.as_ptr().cast(), &tag, buffer, size.into())
        })
    }

    /// What the document calls the page at `index`, from 0.
    pub(in crate::pdf) fn page_label(&self, index: u32) -> Option<String> {
        let index = c_int::try_from(index).ok()?;
        // SAFETY: the handle is open, and the buffer as long as said.
        utf16(|buffer, size| unsafe {
            self.calls.FPDF_GetPageLabel(self.handle.as_ptr().cast(), index, buffer, size.into())
        })
    }

    /// Names of the embedded files; at most `max`.
    pub(in crate::pdf) fn attachments(&self, max: u32) -> Vec<String> {
        let document = self.handle.as_ptr();
        // SAFETY: the handle is open.
        let count = unsafe { self.calls.FPDFDoc_GetAttachmentCount(document.cast()) };
        let indices = 0..count.min(c_int::try_from(max).unwrap_or(c_int::MAX));
        let name = |index| {
            // SAFETY: as above; the index is below the count, and an attachment lives as long as its document.
            let attachment = unsafe { self.calls.FPDFDoc_GetAttachment(document.cast(), index) };
            let attachment = NonNull::new(attachment.cast::<c_void>())?.as_ptr();
            utf16(|buffer, size| unsafe {
                self.calls.FPDFAttachment_GetName(attachment.cast(), buffer.cast(), size.into())
            })
        };
        indices.filter_map(name).collect()
    }

    /// The outline in document order, at most `max` entries. A broken outline may go in circles: what is deeper than
    /// `MAX_DEPTH` is left out, and `max` ends the rest.
    pub(in crate::pdf) fn outline(&self, max: usize) -> Vec<Bookmark> {
        const MAX_DEPTH: usize = 32;
        let mut entries = Vec::new();
        let mut open: Vec<(Handle, usize)> = self.first_child(None).map(|first| (first, 1)).into_iter().collect();
        while let Some((bookmark, level)) = open.pop() {
            if entries.len() >= max {
                break;
            }
            entries.extend(self.entry(bookmark, level));
            open.extend(self.next_sibling(bookmark).map(|sibling| (sibling, level)));
            if level < MAX_DEPTH {
                open.extend(self.first_child(Some(bookmark)).map(|child| (child, level + 1)));
            }
        }
        entries
    }

    fn entry(&self, bookmark: Handle, level: usize) -> Option<Bookmark> {
        // SAFETY: a bookmark lives as long as its document; the buffer is as long as said.
        let title = utf16(|buffer, size| unsafe {
            self.calls.FPDFBookmark_GetTitle(bookmark.as_ptr().cast(), buffer, size.into())
        })?;
        // SAFETY: as above; PDFium takes null handles for absent.
        let page = unsafe {
            let document = self.handle.as_ptr();
            let direct = self.calls.FPDFBookmark_GetDest(document.cast(), bookmark.as_ptr().cast());
            let action = self.calls.FPDFBookmark_GetAction(bookmark.as_ptr().cast());
            let target = if direct.is_null() && !action.is_null() {
                self.calls.FPDFAction_GetDest(document.cast(), action)
            } else {
                direct
            };
            if target.is_null() { -1 } else { self.calls.FPDFDest_GetDestPageIndex(document.cast(), target) }
        };
        Some(Bookmark { title, level: u8::try_from(level).unwrap_or(u8::MAX), page: u32::try_from(page).ok() })
    }

    fn first_child(&self, of: Option<Handle>) -> Option<Handle> {
        let of = of.map_or(std::ptr::null_mut(), NonNull::as_ptr);
        // SAFETY: as in `entry`; null means the root.
        let child = unsafe { self.calls.FPDFBookmark_GetFirstChild(self.handle.as_ptr().cast(), of.cast()) };
        NonNull::new(child.cast::<c_void>())
    }

    fn next_sibling(&self, of: Handle) -> Option<Handle> {
        // SAFETY: as in `entry`.
        let sibling =
            unsafe { self.calls.FPDFBookmark_GetNextSibling(self.handle.as_ptr().cast(), of.as_ptr().cast()) };
        NonNull::new(sibling.cast::<c_void>())
    }
}
