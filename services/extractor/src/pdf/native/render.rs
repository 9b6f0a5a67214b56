//! A page as a picture.
#![expect(unsafe_code, reason = "PDFium is a C library")]

use std::ffi::c_int;

use super::Page;

/// `FPDFBitmap_Gray` of `fpdfview.h`: one byte a pixel.
const GREY: c_int = 1;
/// `FPDF_ANNOT` and `FPDF_GRAYSCALE`.
const FLAGS: c_int = 0x01 | 0x08;

impl Page<'_> {
    /// Width and height as shown, in points.
    pub(in crate::pdf) fn size(&self) -> (f32, f32) {
        // SAFETY: the handle is open.
        unsafe {
            let page = self.handle.as_ptr();
            (self.calls().FPDF_GetPageWidthF(page.cast()), self.calls().FPDF_GetPageHeightF(page.cast()))
        }
    }

    /// The page on white, `width` by `height` pixels, row by row from the top; `None` when PDFium has no room for it.
    pub(in crate::pdf) fn grey(&self, width: u32, height: u32) -> Option<Vec<u8>> {
        let length = usize::try_from(width).ok()?.checked_mul(usize::try_from(height).ok()?)?;
        let (width, height) = (c_int::try_from(width).ok()?, c_int::try_from(height).ok()?);
        let mut pixels = vec![u8::MAX; length];
        let calls = self.calls();
        // SAFETY: the pixels are as many as said and outlive the bitmap, which is destroyed here; the page is open.
        unsafe {
            let bitmap = calls.FPDFBitmap_CreateEx(width, height, GREY, pixels.as_mut_ptr().cast(), width);
            if bitmap.is_null() {
                return None;
            }
            calls.FPDF_RenderPageBitmap(bitmap, self.handle.as_ptr().cast(), 0, 0, width, height, 0, FLAGS);
            calls.FPDFBitmap_Destroy(bitmap);
        }
        Some(pixels)
    }
}
