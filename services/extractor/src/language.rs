//! The language of a document, as ISO 639-1, from its text.

use std::collections::BTreeMap;

use heimdex_lexical::language::{is_iso_639_1, iso_639_1};
use whatlang::Script;

use crate::Document;

/// Characters looked at, taken from this many places of the document: detection gains nothing beyond, and the first
/// pages are often titles and licences in another language.
const SAMPLE_CHARS: usize = 8_000;
const SAMPLE_PLACES: usize = 8;

/// Fewer letters than this say nothing sure about a Latin-script language.
const MIN_LETTERS: usize = 24;

/// Japanese prose is never below a third of kana; a Chinese text quoting Japanese stays far below this share.
const KANA_PERCENT: usize = 8;

/// Letters that a page needs to be told from its document: a table or a title page says little.
const MIN_PAGE_LETTERS: usize = 120;

/// Sets the language of `document` from its text, keeping a declared one only where the text does not say, and that of
/// each page that is surely in another. A document of several languages has that of most of its pages.
pub fn assign(document: &mut Document) {
    let own: Vec<Option<&'static str>> = match document.pages.as_slice() {
        [_] => vec![None],
        pages => pages.iter().map(|page| detect_page(&page.text)).collect(),
    };
    let mut pages_in: BTreeMap<&'static str, usize> = BTreeMap::new();
    own.iter().flatten().for_each(|code| *pages_in.entry(*code).or_default() += 1);
    let most = || pages_in.iter().max_by_key(|(_, pages)| **pages).map(|(code, _)| *code);
    if let Some(code) = detect(&sample(document)).or_else(most) {
        document.language = Some(code.to_owned());
    }
    for (page, own) in document.pages.iter_mut().zip(own) {
        page.language = own.map(str::to_owned).filter(|own| document.language.as_ref() != Some(own));
    }
}

/// The language of a page's begin, when it has enough text.
fn detect_page(text: &str) -> Option<&'static str> {
    let start: String = text.chars().take(SAMPLE_CHARS / SAMPLE_PLACES).collect();
    let letters = start.chars().filter(|c| c.is_alphabetic()).count();
    // One East Asian character carries about as much as five Latin letters.
    let asian = start.chars().filter(|c| *c >= '\u{3040}').count();
    if letters + 4 * asian < MIN_PAGE_LETTERS { None } else { detect(&start) }
}

/// The two-letter code of a declaration such as `de-AT`, if it has one.
#[must_use]
pub fn declared(tag: &str) -> Option<String> {
    let primary = tag.trim().split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    is_iso_639_1(&primary).then_some(primary)
}

/// The language of `text`, `None` when unsure.
#[must_use]
pub fn detect(text: &str) -> Option<&'static str> {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    if let Some(code) = east_asian(text, letters) {
        return Some(code);
    }
    if letters < MIN_LETTERS {
        return None;
    }
    let info = whatlang::detect(text)?;
    // A script of one language settles it; within Latin, Cyrillic and the like whatlang must be sure.
    let sure = info.is_reliable() || info.script().langs().len() == 1;
    let usable = sure && info.script() != Script::Mandarin;
    usable.then(|| iso_639_1(info.lang())).flatten()
}

/// Han characters are shared: kana makes it Japanese, hangul Korean, nothing else Chinese. Counted against all letters,
/// because technical manuals are full of Latin names and commands.
fn east_asian(text: &str, letters: usize) -> Option<&'static str> {
    let (mut han, mut kana, mut hangul) = (0, 0, 0);
    for c in text.chars() {
        match c {
            '\u{3041}'..='\u{30FA}' | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9D}' => kana += 1,
            '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{20000}'..='\u{3134F}' => han += 1,
            '\u{AC00}'..='\u{D7A3}' => hangul += 1,
            _ => {}
        }
    }
    let asian = han + kana + hangul;
    // One such character carries about as much as five Latin letters.
    if asian == 0 || asian * 5 < letters - asian {
        return None;
    }
    Some(match () {
        () if hangul * 2 > asian => "ko",
        () if kana * 100 >= asian * KANA_PERCENT => "ja",
        () => "zh",
    })
}

/// Characters from evenly spread places of the document.
fn sample(document: &Document) -> String {
    let total: usize = document.pages.iter().map(|page| page.text.len()).sum();
    if total <= SAMPLE_CHARS {
        return document.pages.iter().map(|page| page.text.as_str()).collect::<Vec<_>>().join("\n");
    }
    let mut sample = String::new();
    let mut place = 0;
    let mut offset = 0;
    for page in &document.pages {
        while place < SAMPLE_PLACES && place * total / SAMPLE_PLACES < offset + page.text.len() {
            let start = page.text.ceil_char_boundary((place * total / SAMPLE_PLACES).saturating_sub(offset));
            let rest = page.text.get(start..).unwrap_or_default();
            sample.extend(rest.chars().take(SAMPLE_CHARS / SAMPLE_PLACES));
            sample.push('\n');
            place += 1;
        }
        offset += page.text.len();
    }
    sample
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Format, Page};

    #[test]
    fn the_six_promised_languages() {
        for (code, text) in [
            ("en", "The package manager resolves dependencies before anything is installed on the system."),
            ("es", "El gestor de paquetes resuelve las dependencias antes de instalar nada en el sistema."),
            ("fr", "Le gestionnaire de paquets résout les dépendances avant d'installer quoi que ce soit."),
            ("de", "Die Paketverwaltung löst die Abhängigkeiten auf, bevor etwas installiert wird."),
            ("zh", "软件包管理器在安装任何东西之前会先解决依赖关系。"),
            ("ja", "パッケージ管理システムは、何かをインストールする前に依存関係を解決します。"),
        ] {
            assert_eq!(detect(text), Some(code), "{text}");
        }
    }

    #[test]
    fn chinese_with_commands_and_japanese_full_of_kanji() {
        assert_eq!(detect("使用 apt-get install debian-reference-zh-cn 命令安装此文档"), Some("zh"));
        assert_eq!(detect("東京都庁舎建設計画書の概要と、その経緯"), Some("ja"));
        assert_eq!(detect("시스템에 설치하기 전에 의존성을 해결합니다"), Some("ko"));
    }

    #[test]
    fn a_page_in_another_language_says_so() {
        let english =
            "The package manager resolves dependencies before anything is installed on the system. ".repeat(3);
        let german = "Die Paketverwaltung löst die Abhängigkeiten auf, bevor etwas installiert wird. ".repeat(3);
        let texts = [english.as_str(), english.as_str(), german.as_str(), "Anhang A"];
        let pages = (1..).zip(texts).map(|(number, text)| Page::plain(number, text)).collect();
        let mut document = Document::of_pages(Format::Pdf, pages);
        assign(&mut document);
        let languages: Vec<Option<&str>> = document.pages.iter().map(|page| page.language.as_deref()).collect();
        assert_eq!((document.language.as_deref(), languages), (Some("en"), vec![None, None, Some("de"), None]));
    }

    #[test]
    fn too_little_is_none() {
        assert_eq!(detect(""), None);
        assert_eq!(detect("OK 12345"), None);
        assert_eq!(detect("0x1F 0x2E 0x3D 99 100 ----"), None);
    }

    #[test]
    fn a_declaration_fills_only_a_gap() {
        assert_eq!(declared("de-AT").as_deref(), Some("de"));
        assert_eq!(declared("x-klingon"), None);
        let mut document = Document::single(Format::Html, "OK".to_owned());
        document.language = declared("fr");
        assign(&mut document);
        assert_eq!(document.language.as_deref(), Some("fr"));
    }

    proptest! {
        #[test]
        fn any_pages_can_be_sampled(texts in proptest::collection::vec("[a漢é😀 ]{0,3000}", 0..12)) {
            let page = |text: String| Page::plain(1, text);
            let mut document = Document::single(Format::Txt, String::new());
            document.pages = texts.into_iter().map(page).collect();
            prop_assert!(sample(&document).chars().count() <= SAMPLE_CHARS * 2);
        }
    }
}
