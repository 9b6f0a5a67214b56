//! Small PDFs, written by hand as bytes.

/// One page per content stream, in Helvetica.
pub fn pdf(contents: &[&str]) -> Vec<u8> {
    let kids: Vec<String> = (0..contents.len()).map(|page| format!("{} 0 R", 4 + page * 2)).collect();
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        format!("<</Type/Pages/Count {}/Kids[{}]>>", contents.len(), kids.join(" ")),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_owned(),
    ];
    for (page, content) in contents.iter().enumerate() {
        let stream = 5 + page * 2;
        objects.push(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>/Contents {stream} 0 R>>"
        ));
        objects.push(format!("<</Length {}>>stream\n{content}\nendstream", content.len()));
    }
    assemble(&objects, "/Root 1 0 R")
}

/// One page that shows nothing but a picture in grey.
pub fn picture_pdf(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let hex: String = pixels.iter().map(|pixel| format!("{pixel:02X}")).collect();
    let content = "q 595 0 0 842 0 0 cm /I Do Q";
    let look = format!("/Width {width}/Height {height}/ColorSpace/DeviceGray/BitsPerComponent 8");
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Count 1/Kids[3 0 R]>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</XObject<</I 5 0 R>>>>/Contents 4 0 R>>".to_owned(),
        format!("<</Length {}>>stream\n{content}\nendstream", content.len()),
        format!(
            "<</Type/XObject/Subtype/Image{look}/Filter/ASCIIHexDecode/Length {}>>stream\n{hex}\nendstream",
            hex.len()
        ),
    ];
    assemble(&objects, "/Root 1 0 R")
}

/// Text lines from the top of a page.
pub fn lines(lines: &[&str]) -> String {
    let shown: Vec<String> = lines.iter().map(|line| format!("({line})Tj T*")).collect();
    format!("BT /F 12 Tf 14 TL 72 760 Td {} ET", shown.join(" "))
}

/// An encryption dictionary of the standard handler whose check values fit no password.
pub fn encrypted_pdf() -> Vec<u8> {
    let check = "A5".repeat(32);
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Count 0/Kids[]>>".to_owned(),
        format!("<</Filter/Standard/V 1/R 2/Length 40/P -44/O<{check}>/U<{check}>>>"),
    ];
    assemble(
        &objects,
        "/Root 1 0 R/Encrypt 3 0 R/ID[<00112233445566778899AABBCCDDEEFF><00112233445566778899AABBCCDDEEFF>]",
    )
}

/// Objects numbered from 1, with cross-reference table and trailer.
pub fn assemble(objects: &[String], trailer: &str) -> Vec<u8> {
    let mut file = "%PDF-1.7\n".to_owned();
    let mut table = String::new();
    for (number, object) in (1..).zip(objects) {
        table += &format!("{:010} 00000 n \n", file.len());
        file += &format!("{number} 0 obj\n{object}\nendobj\n");
    }
    let (start, size) = (file.len(), objects.len() + 1);
    file += &format!(
        "xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}{trailer}>>\nstartxref\n{start}\n%%EOF\n"
    );
    file.into_bytes()
}
