//! Text that lies on a page without being part of it: filled-in form fields and text boxes.

use pdfium_render::prelude::*;

/// One paragraph for each field with a value and each text box, in the order of the page's annotations.
pub(super) fn text(page: &PdfPage<'_>) -> String {
    let annotations = page.annotations();
    if annotations.is_empty() {
        return String::new();
    }
    let texts = annotations.iter().filter_map(|annotation| text_of(&annotation));
    texts.filter(|text| !text.trim().is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn text_of(annotation: &PdfPageAnnotation<'_>) -> Option<String> {
    match annotation.as_form_field() {
        Some(field) => value(field),
        None => annotation.as_free_text_annotation()?.contents(),
    }
}

fn value(field: &PdfFormField<'_>) -> Option<String> {
    match field {
        PdfFormField::Text(text) if !text.is_password() => text.value(),
        PdfFormField::ComboBox(choice) => choice.value(),
        PdfFormField::ListBox(choice) => choice.value(),
        _ => None,
    }
}
