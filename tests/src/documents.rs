//! Small documents made here: good ones of each format, and one of each kind of bad.

use std::fmt::Write as _;

/// The object number of a PDF's catalog and page tree; pages and their contents follow.
const CATALOG: usize = 1;
const PAGES: usize = 2;
const FONT: usize = 3;
const FIRST_PAGE: usize = 4;

/// A PDF 1.4 with one line of text on each page (ASCII, without parentheses and backslashes).
#[must_use]
pub fn pdf(pages: &[&str]) -> Vec<u8> {
    assemble(&objects(pages), "")
}

/// A PDF that a password protects (standard security handler, revision 2). The key check is made up, so that neither
/// the empty nor any other password fits.
#[must_use]
pub fn encrypted_pdf() -> Vec<u8> {
    let entry = "5a".repeat(32);
    let security =
        format!("/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{entry}> /U <{entry}> >> /ID [<00> <00>]");
    assemble(&objects(&["Nobody reads this."]), &security)
}

/// A PDF of which only the beginning arrived: no page, no cross-reference table.
#[must_use]
pub fn truncated_pdf() -> Vec<u8> {
    let mut whole = pdf(&["The end of this file was lost."]);
    whole.truncate(120);
    whole
}

/// A PDF whose page takes longer than any limit to read, though it needs little memory: a tree of forms, each of which
/// is drawn ten times by the one above, with much to do and nothing to keep at the bottom.
#[must_use]
pub fn endless_pdf() -> Vec<u8> {
    tree_of_forms(8, &"q Q ".repeat(25_000))
}

/// A PDF of two kilobytes whose page needs more memory than any limit: what each of its ten to the ninth forms holds is
/// kept until the page is read.
#[must_use]
pub fn bloating_pdf() -> Vec<u8> {
    tree_of_forms(9, &"q Q ".repeat(10))
}

/// One page that draws a form ten times, which draws another ten times, and so on.
fn tree_of_forms(levels: usize, leaf: &str) -> Vec<u8> {
    const FIRST_FORM: usize = 5;
    let draw = "/X Do ".repeat(10);
    let mut objects = vec![
        format!("<< /Type /Catalog /Pages {PAGES} 0 R >>"),
        "<< /Type /Pages /Kids [ 3 0 R ] /Count 1 >>".to_owned(),
        format!(
            "<< /Type /Page /Parent {PAGES} 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
             /Resources << /XObject << /X {FIRST_FORM} 0 R >> >> >>"
        ),
        stream("", &draw),
    ];
    for level in 1..=levels {
        let below = format!("/Resources << /XObject << /X {} 0 R >> >> ", FIRST_FORM + level);
        let (below, content) = if level == levels { (String::new(), leaf) } else { (below, draw.as_str()) };
        objects.push(stream(&format!("/Type /XObject /Subtype /Form /BBox [0 0 9 9] {below}"), content));
    }
    assemble(&objects, "")
}

fn stream(entries: &str, content: &str) -> String {
    format!("<< {entries}/Length {} >>\nstream\n{content}\nendstream", content.len())
}

/// The beginning of an executable.
#[must_use]
pub fn executable() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0".to_vec();
    bytes.extend((0..4096u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()));
    bytes
}

/// UTF-8 text with a byte order mark, a good word before and after each of its few bad bytes.
#[must_use]
pub fn broken_encoding(word: &str) -> Vec<u8> {
    let mut bytes = b"\xEF\xBB\xBF".to_vec();
    for _ in 0..3 {
        bytes.extend(format!("A long enough line of good text about {word} stands before this byte: ").bytes());
        bytes.extend(b"\xFF, and the line goes on after it.\n");
    }
    bytes
}

/// HTML with `depth` elements open inside each other.
#[must_use]
pub fn nested_html(depth: usize) -> Vec<u8> {
    let mut html = "<!doctype html><title>deep</title>".to_owned();
    html.push_str(&"<div>".repeat(depth));
    html.push_str("the bottom");
    html.into_bytes()
}

#[must_use]
pub fn html(title: &str, body: &str) -> Vec<u8> {
    let page = format!(
        "<!doctype html><html><head><meta charset=utf-8><title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>"
    );
    page.into_bytes()
}

fn objects(pages: &[&str]) -> Vec<String> {
    let kids: String = (0..pages.len()).map(|n| format!("{} 0 R ", FIRST_PAGE + 2 * n)).collect();
    let mut objects = vec![
        format!("<< /Type /Catalog /Pages {PAGES} 0 R >>"),
        format!("<< /Type /Pages /Kids [ {kids}] /Count {} >>", pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for (n, text) in pages.iter().enumerate() {
        let content = FIRST_PAGE + 2 * n + 1;
        let font = format!("/Resources << /Font << /F1 {FONT} 0 R >> >>");
        objects.push(format!(
            "<< /Type /Page /Parent {PAGES} 0 R /MediaBox [0 0 842 595] {font} /Contents {content} 0 R >>"
        ));
        objects.push(stream("", &format!("BT /F1 12 Tf 40 500 Td ({text}) Tj ET")));
    }
    objects
}

fn assemble(objects: &[String], trailer: &str) -> Vec<u8> {
    let mut file = "%PDF-1.4\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (n, object) in objects.iter().enumerate() {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        let _ = write!(file, "{} 0 obj\n{object}\nendobj\n", n + 1);
    }
    let start = file.len();
    let _ = write!(
        file,
        "{table}trailer\n<< /Size {} /Root {CATALOG} 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    );
    file.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cross_reference_table_points_at_objects() {
        let text = String::from_utf8(pdf(&["one", "two"])).unwrap();
        let offsets: Vec<usize> = text
            .lines()
            .filter_map(|line| line.strip_suffix(" 00000 n "))
            .map(|offset| offset.parse().unwrap())
            .collect();
        assert_eq!(offsets.len(), 7);
        for (n, offset) in offsets.iter().enumerate() {
            assert!(text[*offset..].starts_with(&format!("{} 0 obj", n + 1)));
        }
        let start: usize = text.lines().rev().nth(1).unwrap().parse().unwrap();
        assert!(text[start..].starts_with("xref"));
    }
}
