//! PDFium's C interface behind safe types; no judgement about text is made here.
//!
//! The calls are those of `fpdfview.h`, `fpdf_text.h`, `fpdf_doc.h`, `fpdf_annot.h` and `fpdf_attachment.h`. Their safety
//! rests on three facts: a handle is only made from a pointer that PDFium returned and that is not null, it is closed
//! once, on drop, and each type borrows the one it was made from, so that nothing is closed before its parts. PDFium is
//! not thread-safe; none of these types can leave its thread.

mod annotation;
mod facts;
mod render;
mod text;

use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use pdfium_render::prelude::{Pdfium, PdfiumLibraryBindings};

pub(super) use annotation::{Annotation, AnnotationKind};
pub(super) use facts::{Bookmark, MetaTag};
pub(super) use text::{Glyph, Style};

use crate::Failure;

type Handle = NonNull<c_void>;

static LOADED: AtomicBool = AtomicBool::new(false);

/// The loaded and initialized library.
pub(super) struct Library {
    calls: Box<dyn PdfiumLibraryBindings>,
}

/// An open document, with its form environment where it has forms.
pub(super) struct Document<'a> {
    calls: &'a dyn PdfiumLibraryBindings,
    handle: Handle,
    form: Option<annotation::Form>,
    bytes: PhantomData<&'a [u8]>,
}

/// A loaded page.
pub(super) struct Page<'d> {
    document: &'d Document<'d>,
    handle: Handle,
}

/// A box in the page's coordinates: y grows upwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub left: f32,
    pub bottom: f32,
    pub right: f32,
    pub top: f32,
}

impl Library {
    /// Loads the library at `path`; works once per process.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        let calls = Pdfium::bind_to_library(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if LOADED.swap(true, Ordering::SeqCst) {
            return Err("PDFium is loaded already".to_owned());
        }
        #[expect(unsafe_code, reason = "PDFium is a C library")]
        // SAFETY: called once, before any other call.
        unsafe {
            calls.FPDF_InitLibrary();
        }
        Ok(Self { calls })
    }

    /// Opens a document with the empty password, then with `password`.
    ///
    /// # Errors
    /// `encrypted` or `corrupt`.
    pub(super) fn open<'a>(&'a self, bytes: &'a [u8], password: Option<&str>) -> Result<Document<'a>, Failure> {
        let password = password.filter(|password| !password.is_empty() && !password.contains('\0'));
        match (self.try_open(bytes, None), password) {
            (Err(Failure::Encrypted), Some(password)) => self.try_open(bytes, Some(password)),
            (outcome, _) => outcome,
        }
    }

    #[expect(unsafe_code, reason = "PDFium is a C library")]
    fn try_open<'a>(&'a self, bytes: &'a [u8], password: Option<&str>) -> Result<Document<'a>, Failure> {
        let calls = self.calls.as_ref();
        // SAFETY: the bytes outlive the document, which borrows them.
        let (handle, error) = unsafe { (calls.FPDF_LoadMemDocument64(bytes, password), calls.FPDF_GetLastError()) };
        let handle = NonNull::new(handle.cast::<c_void>()).ok_or_else(|| open_failure(error))?;
        let mut document = Document { calls, handle, form: None, bytes: PhantomData };
        document.form = annotation::Form::of(&document);
        Ok(document)
    }
}

/// The `FPDF_ERR_*` codes of `fpdfview.h`.
fn open_failure(error: std::ffi::c_ulong) -> Failure {
    match error {
        4 | 5 => Failure::Encrypted,
        3 => Failure::corrupt("neither its cross-reference table nor its objects can be read"),
        _ => Failure::corrupt("PDFium cannot open it"),
    }
}

#[expect(unsafe_code, reason = "PDFium is a C library")]
impl Document<'_> {
    pub(super) fn page_count(&self) -> u32 {
        // SAFETY: the handle is open.
        let count = unsafe { self.calls.FPDF_GetPageCount(self.handle.as_ptr().cast()) };
        u32::try_from(count).unwrap_or(0)
    }

    /// `None` when PDFium cannot load it. `index` counts from 0.
    pub(super) fn page(&self, index: u32) -> Option<Page<'_>> {
        let index = i32::try_from(index).ok()?;
        // SAFETY: the handle is open, and a wrong index yields null.
        let handle = unsafe { self.calls.FPDF_LoadPage(self.handle.as_ptr().cast(), index) };
        let handle = NonNull::new(handle.cast::<c_void>())?;
        Some(Page { document: self, handle })
    }
}

#[expect(unsafe_code, reason = "PDFium is a C library")]
impl Drop for Document<'_> {
    fn drop(&mut self) {
        if let Some(form) = self.form.take() {
            form.close(self.calls);
        }
        // SAFETY: the handle is open, and its pages are closed: they borrow this document.
        unsafe { self.calls.FPDF_CloseDocument(self.handle.as_ptr().cast()) }
    }
}

#[expect(unsafe_code, reason = "PDFium is a C library")]
impl Page<'_> {
    fn calls(&self) -> &dyn PdfiumLibraryBindings {
        self.document.calls
    }

    /// What is shown of the page.
    pub(super) fn bounds(&self) -> Option<Rect> {
        let mut rect = MaybeUninit::zeroed();
        // SAFETY: the handle is open, and all bit patterns of the structure of four floats are valid.
        let rect = unsafe {
            let done = self.calls().FPDF_GetPageBoundingBox(self.handle.as_ptr().cast(), rect.as_mut_ptr());
            (done != 0).then(|| rect.assume_init())
        }?;
        Some(Rect { left: rect.left, bottom: rect.bottom, right: rect.right, top: rect.top })
    }

    pub(super) fn object_count(&self) -> u32 {
        // SAFETY: the handle is open.
        let count = unsafe { self.calls().FPDFPage_CountObjects(self.handle.as_ptr().cast()) };
        u32::try_from(count).unwrap_or(0)
    }

    /// Kind and place of an object of the page's content.
    pub(super) fn object(&self, index: u32) -> Option<(ObjectKind, Rect)> {
        let index = i32::try_from(index).ok()?;
        let (mut left, mut bottom, mut right, mut top) = (0.0, 0.0, 0.0, 0.0);
        // SAFETY: the handle is open; a wrong index yields null, which PDFium checks.
        let kind = unsafe {
            let object = self.calls().FPDFPage_GetObject(self.handle.as_ptr().cast(), index);
            let kind = self.calls().FPDFPageObj_GetType(object);
            self.calls().FPDFPageObj_GetBounds(object, &raw mut left, &raw mut bottom, &raw mut right, &raw mut top);
            kind
        };
        Some((ObjectKind::of(kind), Rect { left, bottom, right, top }))
    }
}

#[expect(unsafe_code, reason = "PDFium is a C library")]
impl Drop for Page<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and what was made of the page borrows it.
        unsafe { self.calls().FPDF_ClosePage(self.handle.as_ptr().cast()) }
    }
}

/// The `FPDF_PAGEOBJ_*` of `fpdf_edit.h`, as far as they matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Path,
    Image,
    Other,
}

impl ObjectKind {
    fn of(kind: i32) -> Self {
        match kind {
            2 => Self::Path,
            3 => Self::Image,
            _ => Self::Other,
        }
    }
}

/// Reads a string of UTF-16LE that `fill` writes into a buffer of the given size in bytes, and of which it returns the
/// size with its terminating zero; `None` when it is empty or longer than `MAX_STRING`.
fn utf16(fill: impl Fn(*mut c_void, u32) -> u64) -> Option<String> {
    const MAX_STRING: u64 = 4 << 20;
    let size = fill(std::ptr::null_mut(), 0);
    if size <= 2 || size > MAX_STRING {
        return None;
    }
    let mut units = vec![0_u16; usize::try_from(size).ok()?.div_ceil(2)];
    fill(units.as_mut_ptr().cast(), u32::try_from(units.len() * 2).ok()?);
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le(*unit)).take_while(|unit| *unit != 0).collect();
    Some(String::from_utf16_lossy(&units)).filter(|text| !text.is_empty())
}
