//! Text that lies on a page without being part of it: comments, text boxes and filled-in form fields.

use super::native::{Annotation, AnnotationKind, Page};

/// Annotations of a page that are looked at.
const MAX_ANNOTATIONS: u32 = 10_000;

/// One text for each comment, text box and field with a value, in the order of the page's annotations.
pub(super) fn texts(page: &Page<'_>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in page.annotations(MAX_ANNOTATIONS).filter_map(|annotation| text(&annotation)) {
        // A field shown twice, and a comment's own answer box, say the same again.
        if !text.trim().is_empty() && texts.last() != Some(&text) {
            texts.push(text);
        }
    }
    texts
}

fn text(annotation: &Annotation<'_>) -> Option<String> {
    match annotation.kind() {
        AnnotationKind::Comment => annotation.contents(),
        AnnotationKind::Field => annotation.value(),
        AnnotationKind::Attachment | AnnotationKind::Other => None,
    }
}
