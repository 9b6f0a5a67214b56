//! Annotations of a page and the values of its form fields.
#![expect(unsafe_code, reason = "PDFium is a C library")]

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use pdfium_render::prelude::PdfiumLibraryBindings;

use super::{Document, Handle, Page, utf16};

/// The environment through which PDFium tells of form fields.
pub(super) struct Form {
    handle: Handle,
    /// PDFium keeps a pointer to the structure of callbacks, all absent here.
    _callbacks: Box<dyn Kept>,
}

trait Kept {}
impl<T> Kept for T {}

/// `FPDF_FORMFILLINFO`'s version that needs no XFA.
const FORM_VERSION: c_int = 2;

impl Form {
    /// `None` when the document has no forms.
    pub(super) fn of(document: &Document<'_>) -> Option<Self> {
        let calls = document.calls;
        let mut callbacks = Box::new(MaybeUninit::zeroed());
        // SAFETY: the structure begins with its version; its other members are optional pointers, for which zero means
        // absent. It lives as long as the environment.
        let handle = unsafe {
            if calls.FPDF_GetFormType(document.handle.as_ptr().cast()) == 0 {
                return None;
            }
            begin_with(&mut callbacks, FORM_VERSION);
            calls.FPDFDOC_InitFormFillEnvironment(document.handle.as_ptr().cast(), callbacks.as_mut_ptr())
        };
        Some(Self { handle: NonNull::new(handle.cast::<c_void>())?, _callbacks: callbacks })
    }

    pub(super) fn close(self, calls: &dyn PdfiumLibraryBindings) {
        // SAFETY: the handle is open, and its document too.
        unsafe { calls.FPDFDOC_ExitFormFillEnvironment(self.handle.as_ptr().cast()) }
    }
}

/// Writes the first member of a structure.
///
/// # Safety
/// The structure must begin with an `int`.
unsafe fn begin_with<T>(structure: &mut MaybeUninit<T>, version: c_int) {
    // SAFETY: the caller's.
    unsafe { structure.as_mut_ptr().cast::<c_int>().write(version) }
}

/// An annotation of a page.
pub(in crate::pdf) struct Annotation<'p> {
    page: &'p Page<'p>,
    handle: Handle,
}

/// What an annotation is, as far as it can hold text of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pdf) enum AnnotationKind {
    /// Notes, text boxes, comments on marked text, on shapes, stamps and carets.
    Comment,
    /// Text fields and choices that are not passwords.
    Field,
    Attachment,
    Other,
}

impl Page<'_> {
    /// The annotations, in the page's order; at most `max`.
    pub(in crate::pdf) fn annotations(&self, max: u32) -> impl Iterator<Item = Annotation<'_>> {
        // SAFETY: the page is open.
        let count = unsafe { self.calls().FPDFPage_GetAnnotCount(self.handle.as_ptr().cast()) };
        (0..count.min(c_int::try_from(max).unwrap_or(c_int::MAX))).filter_map(|index| {
            // SAFETY: the page is open and the index below the count.
            let handle = unsafe { self.calls().FPDFPage_GetAnnot(self.handle.as_ptr().cast(), index) };
            Some(Annotation { page: self, handle: NonNull::new(handle.cast::<c_void>())? })
        })
    }
}

/// `FPDF_ANNOT_*` of `fpdf_annot.h`.
const WIDGET: c_int = 20;
/// `FPDF_FORMFIELD_*` of `fpdf_formfill.h`: combo box, list box, text field.
const WRITTEN_FIELDS: std::ops::RangeInclusive<c_int> = 4..=6;
/// Bit 14 of a text field's flags, PDF 1.7 reference, table 8.77.
const PASSWORD_FIELD: c_int = 1 << 13;

impl Annotation<'_> {
    pub(in crate::pdf) fn kind(&self) -> AnnotationKind {
        // SAFETY: the handle is open.
        let subtype = unsafe { self.page.calls().FPDFAnnot_GetSubtype(self.handle.as_ptr().cast()) };
        match subtype {
            1 | 3..=15 => AnnotationKind::Comment,
            17 => AnnotationKind::Attachment,
            WIDGET if self.is_written() => AnnotationKind::Field,
            _ => AnnotationKind::Other,
        }
    }

    fn is_written(&self) -> bool {
        let Some(form) = &self.page.document.form else { return false };
        let (calls, form) = (self.page.calls(), form.handle.as_ptr());
        // SAFETY: both handles are open.
        let (kind, flags) = unsafe {
            let kind = calls.FPDFAnnot_GetFormFieldType(form.cast(), self.handle.as_ptr().cast());
            (kind, calls.FPDFAnnot_GetFormFieldFlags(form.cast(), self.handle.as_ptr().cast()))
        };
        WRITTEN_FIELDS.contains(&kind) && flags & PASSWORD_FIELD == 0
    }

    /// What was written into it.
    pub(in crate::pdf) fn contents(&self) -> Option<String> {
        let calls = self.page.calls();
        // SAFETY: the handle is open, and the buffer as long as said.
        utf16(|buffer, size| unsafe {
            calls.FPDFAnnot_GetStringValue(self.handle.as_ptr().cast(), "Contents", buffer.cast(), size.into())
        })
    }

    /// The value of its form field.
    pub(in crate::pdf) fn value(&self) -> Option<String> {
        let form = self.page.document.form.as_ref()?.handle.as_ptr();
        let calls = self.page.calls();
        // SAFETY: both handles are open, and the buffer as long as said.
        utf16(|buffer, size| unsafe {
            calls.FPDFAnnot_GetFormFieldValue(form.cast(), self.handle.as_ptr().cast(), buffer.cast(), size.into())
        })
    }
}

impl Drop for Annotation<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is open.
        unsafe { self.page.calls().FPDFPage_CloseAnnot(self.handle.as_ptr().cast()) }
    }
}
