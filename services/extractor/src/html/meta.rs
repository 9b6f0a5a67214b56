//! What a page says of itself: title, language, and the properties in its `meta` elements.

use std::collections::BTreeMap;

use scraper::{ElementRef, Html};

use crate::package::rfc3339;

/// Longest value that is kept, in characters.
const VALUE_CHARS: usize = 1_000;

/// Names in `meta` elements (HTML standard, Dublin Core, Open Graph, Highwire Press) for what documents are asked for; of
/// several for one property the first in this list counts.
const NAMES: &[(&str, &str)] = &[
    ("author", "author"),
    ("dc.creator", "author"),
    ("dcterms.creator", "author"),
    ("article:author", "author"),
    ("citation_author", "author"),
    ("description", "description"),
    ("dc.description", "description"),
    ("og:description", "description"),
    ("keywords", "keywords"),
    ("dc.subject", "subject"),
    ("subject", "subject"),
    ("generator", "producer"),
    ("dcterms.created", "created"),
    ("article:published_time", "created"),
    ("dc.date", "created"),
    ("date", "created"),
    ("citation_publication_date", "created"),
    ("dcterms.modified", "modified"),
    ("article:modified_time", "modified"),
    ("og:updated_time", "modified"),
    ("last-modified", "modified"),
];

/// The properties found in `html`.
pub(super) fn properties(html: &Html) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for meta in elements(html).filter(|element| element.value().name() == "meta") {
        let name = ["name", "property", "itemprop", "http-equiv"].iter().find_map(|key| meta.attr(key));
        let Some(name) = name.map(str::to_ascii_lowercase) else { continue };
        let known = NAMES.iter().enumerate().find(|(_, (written, _))| *written == name.trim());
        let Some((rank, (_, property))) = known else { continue };
        let Some(value) = meta.attr("content").and_then(|content| value(property, content)) else { continue };
        if found.get(*property).is_none_or(|(other, _)| rank < *other) {
            found.insert((*property).to_owned(), (rank, value));
        }
    }
    found.into_iter().map(|(property, (_, value))| (property, value)).collect()
}

fn value(property: &str, content: &str) -> Option<String> {
    let words = words(content);
    let value = if matches!(property, "created" | "modified") { rfc3339(&words) } else { Some(words) };
    value.filter(|value| !value.is_empty()).map(|value| value.chars().take(VALUE_CHARS).collect())
}

/// The `title` element; without it the title for other sites, or the first `h1`.
pub(super) fn title(html: &Html) -> Option<String> {
    let named = |name: &'static str| {
        let mut elements = elements(html).filter(move |element| element.value().name() == name);
        elements.find_map(|element| Some(words(&element.text().collect::<String>())).filter(|text| !text.is_empty()))
    };
    let shared = || {
        let mut metas = elements(html).filter(|element| element.attr("property") == Some("og:title"));
        metas.find_map(|meta| meta.attr("content").map(words)).filter(|title| !title.is_empty())
    };
    named("title").or_else(shared).or_else(|| named("h1")).map(|title| title.chars().take(VALUE_CHARS).collect())
}

/// The language tag that the page declares.
pub(super) fn language(html: &Html) -> Option<&str> {
    let of = |element: ElementRef<'_>| element.value().name() == "html" || element.value().name() == "body";
    let declared = elements(html).filter(|element| of(*element)).find_map(|element| {
        let value = element.value();
        value.attr("lang").or_else(|| value.attr("xml:lang"))
    });
    let equivalent = || {
        let mut metas = elements(html).filter(|element| {
            element.value().name() == "meta"
                && element.attr("http-equiv").is_some_and(|name| name.eq_ignore_ascii_case("content-language"))
        });
        metas.find_map(|meta| meta.value().attr("content"))
    };
    declared.or_else(equivalent)
}

fn elements(html: &Html) -> impl Iterator<Item = ElementRef<'_>> {
    html.tree.root().descendants().filter_map(ElementRef::wrap)
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
