//! Real parsers in real children: good documents, honest pages, typed failures, and the stage around them.

use heimdex_extractor::{Document, ExtractError, Extractor, Failure, Format, Limits, Pool, Status, Warning, report};
use heimdex_schemas::{AssetUploaded, Content, DocumentExtracted, Password};
use heimdex_stage::{Bucket, Class, Classify, Stage};
use libtest_mimic::Trial;

use crate::files::{assemble, encrypted_pdf, lines, pdf};
use crate::upload::{context, upload};
use crate::{real, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("pdf_text_comes_by_page_with_its_title_and_language", good_pdf),
        trial("pages_without_readable_text_need_ocr", honest_pages),
        trial("filled_in_fields_and_text_boxes_are_read", filled_in),
        trial("bad_documents_end_with_their_code", typed_failures),
        trial("page_and_text_limits_hold", page_limits),
        trial("html_and_text_go_the_same_way", html_and_text),
        trial("a_report_has_the_promised_shape", reports),
        trial("the_stage_turns_an_upload_into_pages", stage),
        trial("the_stage_reads_blobs_of_its_own_org_only", stage_blobs),
        trial("the_stage_classifies_failures", stage_failures),
        trial("an_upload_may_bring_the_password_of_its_document", password),
    ]
}

async fn parse(pool: &Pool, bytes: &[u8]) -> Document {
    pool.extract(bytes).await.unwrap()
}

fn texts(document: &Document) -> Vec<&str> {
    document.pages.iter().map(|page| page.text.as_str()).collect()
}

async fn good_pdf() {
    let pool = real(Limits::default()).await;
    let first =
        lines(&["The package manager resolves all dependen-", "cies before anything is installed", "on the system."]);
    let document = parse(&pool, &pdf(&[&first, &lines(&["Second page."])])).await;
    assert_eq!(document.format, Format::Pdf);
    assert_eq!(document.status(), Status::Ok, "{document:?}");
    let expected = "The package manager resolves all dependencies before anything is installed\non the system.";
    assert_eq!(texts(&document), [expected, "Second page."]);
    assert_eq!(document.language.as_deref(), Some("en"));
    let titled = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Count 1/Kids[3 0 R]>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>".to_owned(),
        "<</Title(A  Title)>>".to_owned(),
    ];
    let blank = pool.extract(&assemble(&titled, "/Root 1 0 R/Info 4 0 R")).await;
    assert_eq!(blank.unwrap_err(), Failure::Empty.into());
}

/// A page's content that shows one grey pixel, large.
const PICTURE: &str = "q 500 0 0 500 40 40 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q";

async fn honest_pages() {
    let pool = real(Limits::default()).await;
    let ruled = "10 10 100 100 re f";
    let garbage = lines(&["(cid:31)\\(cid:32\\)\\(cid:33\\)"]).replace("((cid:31)", "(\\(cid:31\\)");
    let document = parse(&pool, &pdf(&[&lines(&["Readable."]), PICTURE, ruled, "", &garbage])).await;
    let needs: Vec<bool> = document.pages.iter().map(|page| page.needs_ocr).collect();
    assert_eq!(needs, [false, true, false, false, true], "{document:?}");
    assert_eq!(document.status(), Status::Degraded);
}

async fn filled_in() {
    let pool = real(Limits::default()).await;
    let field = "/Type/Annot/Subtype/Widget/FT/Tx/Rect[10 10 90 30]";
    let objects = [
        "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R 5 0 R]>>>>".to_owned(),
        "<</Type/Pages/Count 1/Kids[3 0 R]>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Annots[4 0 R 5 0 R 6 0 R]>>".to_owned(),
        format!("<<{field}/T(name)/V(Ada Lovelace)>>"),
        format!("<<{field}/T(secret)/V(hunter2)/Ff 8192>>"),
        "<</Type/Annot/Subtype/FreeText/Rect[10 40 90 60]/Contents(Seen by the office)/DA(/F 9 Tf)>>".to_owned(),
    ];
    let document = parse(&pool, &assemble(&objects, "/Root 1 0 R")).await;
    assert_eq!(texts(&document), ["Ada Lovelace\n\nSeen by the office"]);
    assert_eq!(document.status(), Status::Ok);
}

async fn typed_failures() {
    let pool = real(Limits::default()).await;
    let good = pdf(&[&lines(&["Text."])]);
    let truncated = good.get(..120).unwrap().to_vec();
    let renamed = [b"\x7FELF\x02\x01\x01".to_vec(), vec![0; 64]].concat();
    for (bytes, code) in [
        (Vec::new(), "empty"),
        (b" \n\t".to_vec(), "empty"),
        (truncated, "corrupt"),
        (encrypted_pdf(), "encrypted"),
        (renamed, "unsupported"),
        (b"PK\x03\x04 a DOCX".to_vec(), "corrupt"),
        ([b"\xEF\xBB\xBF".to_vec(), vec![0xFE; 64]].concat(), "unsupported"),
        ("<div>".repeat(100_000).into_bytes(), "too_large"),
    ] {
        match pool.extract(&bytes).await {
            Err(ExtractError::Document(failure)) => assert_eq!(failure.code(), code, "{failure}"),
            other => panic!("{code}: {other:?}"),
        }
        assert_eq!(texts(&parse(&pool, &good).await), ["Text."]);
    }
    let cut = good.get(..good.len() - 8).unwrap();
    assert_eq!(parse(&pool, cut).await.warnings, [Warning::Truncated]);
}

async fn page_limits() {
    let three =
        pdf(&["One text.", "Other text.", "Last text."].map(|text| lines(&[text])).each_ref().map(String::as_str));
    let pool = real(Limits { max_pages: 2, ..Limits::default() }).await;
    assert_eq!(pool.extract(&three).await.unwrap_err(), too_large("pages", 2));
    let pool = real(Limits { max_text_bytes: 25, ..Limits::default() }).await;
    assert_eq!(pool.extract(&three).await.unwrap_err(), too_large("text bytes", 25));
}

fn too_large(what: &str, limit: u64) -> ExtractError {
    Failure::TooLarge { what: what.to_owned(), limit }.into()
}

async fn html_and_text() {
    let pool = real(Limits::default()).await;
    let html = parse(&pool, "<title>T</title><nav>Menu</nav><h1>Über uns</h1><p>Wir sind ein Verein.".as_bytes()).await;
    assert_eq!(
        (html.format, html.title.as_deref(), texts(&html)),
        (Format::Html, Some("T"), vec!["Über uns\n\nWir sind ein Verein."])
    );
    let text = parse(&pool, "日本語の文章です。\r\n".as_bytes()).await;
    assert_eq!(
        (text.format, text.language.as_deref(), texts(&text)),
        (Format::Txt, Some("ja"), vec!["日本語の文章です。"])
    );
}

async fn reports() {
    let pool = real(Limits::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("named.txt");
    std::fs::write(&path, pdf(&[&lines(&["Text."])])).unwrap();
    let mut report = serde_json::to_value(report::extract_file(&pool, &path).await.unwrap()).unwrap();
    assert!(report.as_object_mut().unwrap().remove("elapsed_ms").unwrap().is_u64());
    let page = serde_json::json!({
        "number": 1,
        "text": "Text.",
        "needs_ocr": false,
        "blocks": [{"kind": "paragraph", "span": [0, 5]}],
        "origins": [[0, 0]],
    });
    let expected =
        serde_json::json!({"format": "pdf", "status": "ok", "error": null, "language": null, "pages": [page]});
    assert_eq!(report, expected);
    let failed = report::extract_bytes(&pool, &encrypted_pdf()).await.unwrap();
    assert_eq!((failed.format, failed.status), (Some(Format::Pdf), Status::Failed));
    assert_eq!(failed.error.unwrap().code, "encrypted");
    assert!(report::extract_file(&pool, &folder.path().join("absent")).await.is_err());
}

async fn extractor() -> Extractor {
    Extractor::new(real(Limits::default()).await, "all-minilm-l6-v2".parse().unwrap())
}

async fn run(content: Content) -> Result<Vec<DocumentExtracted>, heimdex_extractor::stage::StageError> {
    let event = upload(content);
    extractor().await.handle(&context(&event), event).await
}

async fn stage() {
    let content = Content::Bytes(pdf(&[&lines(&["Readable."]), PICTURE]));
    let documents = run(content).await.unwrap();
    let [document] = documents.as_slice() else { panic!("{documents:?}") };
    assert_eq!((document.lineage.org.as_str(), document.format.as_str()), ("acme", "pdf"));
    assert_eq!(document.lineage.source.as_deref(), Some("handbook.pdf"));
    assert_eq!(document.lineage.model.as_str(), "all-minilm-l6-v2");
    assert_eq!(document.pages.iter().map(|page| page.needs_ocr).collect::<Vec<_>>(), [false, true]);
    let [warning] = document.warnings.as_slice() else { panic!("{document:?}") };
    assert_eq!((warning.code.as_str(), warning.pages.as_slice()), ("needs_ocr", [2].as_slice()));
    let text = run(Content::Text("<p>kept as it is".to_owned())).await.unwrap();
    assert!(text.iter().all(|document| document.format == "txt" && document.pages[0].text == "<p>kept as it is"));
}

async fn stage_blobs() {
    let bytes = pdf(&[&lines(&["From a blob."])]);
    let event = upload(Content::Text(String::new()));
    let context = context(&event);
    let extractor = extractor().await;
    for (prefix, code) in
        [("acme/a/u", None), ("rival/a/u", Some("blob_of_another_org")), ("acme2/a/u", Some("blob_of_another_org"))]
    {
        let blob = context.blobs.put(Bucket::Originals, prefix, bytes.clone().into()).await.unwrap();
        let content = Content::Blob { name: blob.name, sha256: blob.sha256, size: blob.size };
        let outcome = extractor.handle(&context, upload(content)).await;
        assert_eq!(outcome.as_ref().err().map(|error| error.code()), code);
        assert!(outcome.is_err() || outcome.unwrap()[0].pages[0].text == "From a blob.");
    }
    let gone = Content::Blob { name: "acme/a/u/gone".to_owned(), sha256: "0".repeat(64), size: 1 };
    let missing = extractor.handle(&context, upload(gone)).await.unwrap_err();
    assert_eq!((missing.code(), missing.class()), ("blob_missing", Class::Permanent));
}

async fn stage_failures() {
    let encrypted = run(Content::Bytes(encrypted_pdf())).await.unwrap_err();
    assert_eq!((encrypted.code(), encrypted.class()), ("encrypted", Class::Permanent));
    let poison =
        heimdex_extractor::stage::StageError::from(ExtractError::from(Failure::Crashed { detail: String::new() }));
    assert_eq!(poison.class(), Class::Poison);
    let event = AssetUploaded { org: Some("rival".parse().unwrap()), ..upload(Content::Text("text".to_owned())) };
    let foreign = extractor().await.handle(&context(&event), event).await.unwrap_err();
    assert_eq!((foreign.code(), foreign.class()), ("org_mismatch", Class::Permanent));
}

/// One page in AES-256, whose password is "open sesame"; made with PyMuPDF.
const ENCRYPTED: &[u8] = include_bytes!("encrypted.pdf");

async fn password() {
    let opened = |word: Option<&str>| {
        let event = AssetUploaded { password: word.map(Password::new), ..upload(Content::Bytes(ENCRYPTED.to_vec())) };
        async move { extractor().await.handle(&context(&event), event).await }
    };
    for wrong in [None, Some(""), Some("wrong")] {
        assert_eq!(opened(wrong).await.unwrap_err().code(), "encrypted");
    }
    let documents = opened(Some("open sesame")).await.unwrap();
    assert_eq!(documents[0].pages[0].text, "Opened with the password.");
}
