//! PDFs as they come: columns, running titles, turned pages, tables, outlines, comments.

use heimdex_extractor::{Attachment, BlockKind, Document, Limits, Page, Pool};
use libtest_mimic::Trial;

use crate::files::{assemble, lines, pdf};
use crate::{real, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("columns_are_read_one_after_the_other", columns),
        trial("running_titles_and_page_numbers_are_furniture", furniture),
        trial("turned_text_is_read_in_its_own_direction", turned),
        trial("tables_and_lists_are_blocks", tables),
        trial("a_pdf_says_what_it_knows_of_itself", facts),
        trial("characters_know_where_they_come_from", origins),
    ]
}

async fn parse(bytes: &[u8]) -> Document {
    let pool: Pool = real(Limits::default()).await;
    pool.extract(bytes).await.unwrap()
}

/// Shows each text with its base line's start at the given point.
fn shown(texts: &[(u32, u32, &str)]) -> String {
    let shown = texts.iter().map(|(x, y, text)| format!("1 0 0 1 {x} {y} Tm ({text})Tj"));
    format!("BT /F 10 Tf {} ET", shown.collect::<Vec<_>>().join(" "))
}

fn blocks(page: &Page) -> Vec<(BlockKind, String)> {
    let chars: Vec<char> = page.text.chars().collect();
    let text = |[from, to]: [u32; 2]| chars[from as usize..to as usize].iter().collect();
    page.blocks.iter().map(|block| (block.kind, text(block.span))).collect()
}

async fn columns() {
    let left = [
        "The first column of this page begins",
        "here and goes on for some lines, all",
        "of them as wide as the column, and",
        "it is read before the other column.",
    ];
    let right = [
        "The second column stands beside it,",
        "its lines at the same height, and is",
        "read as a whole after the first, not",
        "line by line across the whole page.",
    ];
    let place = |x, texts: [&'static str; 4]| (0_u32..).zip(texts).map(move |(line, text)| (x, 700 - line * 12, text));
    let by_column: Vec<_> = place(60, left).chain(place(320, right)).collect();
    let mut by_line: Vec<_> = by_column.clone();
    by_line.sort_by_key(|(x, y, _)| (std::cmp::Reverse(*y), *x));
    let pages = [by_column, by_line].map(|mut texts| {
        texts.insert(0, (60, 740, "A title above both columns, as wide as the whole page is, so that no gap is in it"));
        shown(&texts)
    });
    let document = parse(&pdf(&pages.each_ref().map(String::as_str))).await;
    for page in &document.pages {
        let place = |text: &str| page.text.find(text).unwrap_or_else(|| panic!("{text:?} in {}", page.text));
        let order = ["A title", "The first", "before the other", "The second", "across the"].map(place);
        assert!(order.is_sorted(), "{}", page.text);
        assert!(page.text.contains("begins here and goes on"), "{}", page.text);
    }
}

async fn furniture() {
    let names = ["alpha", "beta", "gamma", "delta"];
    let pages: Vec<String> = (1..)
        .zip(names)
        .map(|(number, name)| {
            let body = format!("What page {name} has to say stands here.");
            let footer = format!("{number} / 4");
            shown(&[(60, 800, "Handbook of Things"), (60, 500, &body), (280, 30, &footer)])
        })
        .collect();
    let document = parse(&pdf(&pages.iter().map(String::as_str).collect::<Vec<_>>())).await;
    for (number, page) in (1..).zip(&document.pages) {
        assert_eq!(page.text, format!("What page {} has to say stands here.", names[number - 1]));
        assert_eq!(page.furniture, ["Handbook of Things".to_owned(), format!("{number} / 4")]);
    }
    let alone = parse(&pdf(&["Same words.", "Same words.", "Same words."]
        .map(|text| lines(&[text]))
        .each_ref()
        .map(String::as_str)))
    .await;
    assert!(alone.pages.iter().all(|page| page.text == "Same words."), "{alone:?}");
}

async fn turned() {
    let up = "BT /F 10 Tf 0 1 -1 0 100 100 Tm (First line upwards)Tj 0 1 -1 0 112 100 Tm (second line upwards.)Tj ET";
    let around = "BT /F 10 Tf -1 0 0 -1 500 100 Tm (Upside down it)Tj -1 0 0 -1 500 112 Tm (reads the same.)Tj ET";
    let down = "BT /F 10 Tf 0 -1 1 0 120 700 Tm (First line downwards)Tj 0 -1 1 0 108 700 Tm (second line.)Tj ET";
    let document = parse(&pdf(&[up, around, down])).await;
    let words = |page: &Page| page.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let texts: Vec<String> = document.pages.iter().map(words).collect();
    assert_eq!(
        texts,
        [
            "First line upwards second line upwards.",
            "Upside down it reads the same.",
            "First line downwards second line."
        ]
    );
}

async fn tables() {
    let content = shown(&[
        (60, 700, "City"),
        (200, 700, "Fare"),
        (300, 700, "Zone"),
        (60, 685, "Oslo"),
        (200, 685, "12"),
        (300, 685, "1"),
        (60, 670, "Bergen"),
        (200, 670, "19"),
        (300, 670, "4"),
        (60, 600, "\\225 bring a coat"),
        (60, 588, "\\225 bring a hat"),
    ]);
    let document = parse(&pdf(&[&content])).await;
    let expected = [
        (BlockKind::Table { header_rows: 1 }, "City | Fare | Zone\nOslo | 12 | 1\nBergen | 19 | 4".to_owned()),
        (BlockKind::ListItem, "• bring a coat".to_owned()),
        (BlockKind::ListItem, "• bring a hat".to_owned()),
    ];
    assert_eq!(blocks(&document.pages[0]), expected);
}

async fn facts() {
    let content = lines(&["Opening words", "Body text follows here, in a line of its own that goes on for a while."]);
    let objects = [
        "<</Type/Catalog/Pages 2 0 R/Outlines 6 0 R/PageLabels<</Nums[0<</S/r/St 4>>]>>/Names<</EmbeddedFiles<</Names[(notes.txt)10 0 R]>>>>>>".to_owned(),
        "<</Type/Pages/Count 1/Kids[3 0 R]>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 4 0 R>>>>/Contents 5 0 R/Annots[9 0 R]>>".to_owned(),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
        format!("<</Length {}>>stream\n{content}\nendstream", content.len()),
        "<</Type/Outlines/First 7 0 R/Last 7 0 R/Count 2>>".to_owned(),
        "<</Title(Part one)/Parent 6 0 R/First 8 0 R/Last 8 0 R/Count 1>>".to_owned(),
        "<</Title(1.1 Opening Words)/Parent 7 0 R/Dest[3 0 R/Fit]>>".to_owned(),
        "<</Type/Annot/Subtype/Highlight/Rect[10 10 90 30]/Contents(Is this so?)>>".to_owned(),
        "<</Type/Filespec/F(notes.txt)/UF(notes.txt)/EF<</F 11 0 R>>>>".to_owned(),
        "<</Type/EmbeddedFile/Length 5>>stream\nhello\nendstream".to_owned(),
        "<</Title(A Title)/Author(Ada)/Keywords(one, two)/CreationDate(D:20240229120000+02'00')>>".to_owned(),
    ];
    let document = parse(&assemble(&objects, "/Root 1 0 R/Info 12 0 R")).await;
    assert_eq!(document.title.as_deref(), Some("A Title"));
    let known = ["author", "keywords", "created"].map(|key| document.metadata.get(key).map(String::as_str));
    assert_eq!(known, [Some("Ada"), Some("one, two"), Some("2024-02-29T12:00:00+02:00")]);
    assert_eq!(document.attachments, [Attachment { name: "notes.txt".to_owned(), bytes: None }]);
    let [page] = document.pages.as_slice() else { panic!("{document:?}") };
    assert_eq!(page.label.as_deref(), Some("iv"));
    let blocks = blocks(page);
    assert_eq!(blocks.first(), Some(&(BlockKind::Heading { level: 2 }, "Opening words".to_owned())));
    assert_eq!(blocks.last(), Some(&(BlockKind::Note, "Is this so?".to_owned())));
}

async fn origins() {
    let content = lines(&["All depen-", "dencies go."]);
    let document = parse(&pdf(&[&content])).await;
    let [page] = document.pages.as_slice() else { panic!("{document:?}") };
    assert_eq!(page.text, "All dependencies go.");
    let source = |at: u32| page.origins.iter().rfind(|entry| entry[0] <= at).map(|[t, s]| s + at - t);
    // Behind the ninth character stands the hyphen, which the text leaves out.
    assert_eq!((source(0), source(8)), (Some(0), Some(8)));
    assert!(source(9) > Some(9), "{:?}", page.origins);
    assert_eq!(source(13).unwrap() - source(9).unwrap(), 4);
}
