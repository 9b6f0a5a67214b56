//! Single-byte code pages that the Encoding Standard leaves out: DOS, EBCDIC and Vietnamese.

use std::fmt;

use oem_cp::code_table as oem;

/// A code page whose first half is ASCII, or all of which is its own.
#[derive(Clone, Copy)]
pub(super) struct CodePage {
    /// As IANA registers it.
    pub name: &'static str,
    other_labels: &'static [&'static str],
    upper: Upper,
}

#[derive(Clone, Copy)]
enum Upper {
    Table(&'static [char; 128]),
    Sparse(&'static [Option<char>; 128]),
    Letters(&'static str),
    Whole(&'static str),
}

impl fmt::Debug for CodePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn dos(name: &'static str, other_labels: &'static [&'static str], table: &'static [char; 128]) -> CodePage {
    CodePage { name, other_labels, upper: Upper::Table(table) }
}

pub(super) static IBM437: CodePage = dos("IBM437", &["cp437", "437"], &oem::DECODING_TABLE_CP437);
pub(super) static IBM737: CodePage = dos("IBM737", &["cp737", "737"], &oem::DECODING_TABLE_CP737);
pub(super) static IBM850: CodePage = dos("IBM850", &["cp850", "850"], &oem::DECODING_TABLE_CP850);
pub(super) static IBM852: CodePage = dos("IBM852", &["cp852", "852"], &oem::DECODING_TABLE_CP852);
pub(super) static IBM855: CodePage = dos("IBM855", &["cp855", "855"], &oem::DECODING_TABLE_CP855);
pub(super) static IBM862: CodePage = dos("IBM862", &["cp862", "862"], &oem::DECODING_TABLE_CP862);
static IBM720: CodePage = dos("IBM720", &["cp720", "720", "dos-720"], &oem::DECODING_TABLE_CP720);
static IBM775: CodePage = dos("IBM775", &["cp775", "775"], &oem::DECODING_TABLE_CP775);
static IBM857: CodePage =
    CodePage { name: "IBM857", other_labels: &["cp857", "857"], upper: Upper::Sparse(&oem::DECODING_TABLE_CP857) };
static IBM858: CodePage = dos("IBM00858", &["cp858", "858", "ibm858"], &oem::DECODING_TABLE_CP858);
static IBM860: CodePage = dos("IBM860", &["cp860", "860"], &oem::DECODING_TABLE_CP860);
static IBM861: CodePage = dos("IBM861", &["cp861", "861"], &oem::DECODING_TABLE_CP861);
static IBM863: CodePage = dos("IBM863", &["cp863", "863"], &oem::DECODING_TABLE_CP863);
static IBM864: CodePage =
    CodePage { name: "IBM864", other_labels: &["cp864", "864"], upper: Upper::Sparse(&oem::DECODING_TABLE_CP864) };
static IBM865: CodePage = dos("IBM865", &["cp865", "865"], &oem::DECODING_TABLE_CP865);
static IBM869: CodePage = dos("IBM869", &["cp869", "869"], &oem::DECODING_TABLE_CP869);

pub(super) static IBM037: CodePage =
    CodePage { name: "IBM037", other_labels: &["cp037", "037", "ebcdic-cp-us"], upper: Upper::Whole(EBCDIC_037) };
pub(super) static IBM500: CodePage =
    CodePage { name: "IBM500", other_labels: &["cp500", "500", "ebcdic-cp-be"], upper: Upper::Whole(EBCDIC_500) };
pub(super) static VISCII: CodePage =
    CodePage { name: "VISCII", other_labels: &["csviscii", "viscii1.1-1"], upper: Upper::Letters(VISCII_UPPER) };
pub(super) static TCVN: CodePage =
    CodePage { name: "TCVN5712-1", other_labels: &["tcvn", "tcvn-5712"], upper: Upper::Letters(TCVN_UPPER) };

static ALL: &[&CodePage] = &[
    &IBM437, &IBM720, &IBM737, &IBM775, &IBM850, &IBM852, &IBM855, &IBM857, &IBM858, &IBM860, &IBM861, &IBM862,
    &IBM863, &IBM864, &IBM865, &IBM869, &IBM037, &IBM500, &VISCII, &TCVN,
];

impl CodePage {
    /// The code page that a declaration names.
    pub(super) fn of_label(label: &str) -> Option<&'static Self> {
        let is_meant = |name: &str| name.eq_ignore_ascii_case(label);
        ALL.iter().copied().find(|page| is_meant(page.name) || page.other_labels.iter().any(|name| is_meant(name)))
    }

    /// The text, and whether some bytes meant nothing.
    pub(super) fn decode(&self, bytes: &[u8]) -> (String, bool) {
        let table = self.table();
        let mut invalid = false;
        let character = |byte: &u8| {
            let known = table.get(usize::from(*byte)).copied().flatten();
            invalid |= known.is_none();
            known.unwrap_or(char::REPLACEMENT_CHARACTER)
        };
        (bytes.iter().map(character).collect(), invalid)
    }

    fn table(&self) -> Vec<Option<char>> {
        let ascii = (0..128_u8).map(|byte| Some(char::from(byte)));
        match self.upper {
            Upper::Table(upper) => ascii.chain(upper.iter().copied().map(Some)).collect(),
            Upper::Sparse(upper) => ascii.chain(upper.iter().copied()).collect(),
            Upper::Letters(upper) => ascii.chain(upper.chars().map(Some)).collect(),
            Upper::Whole(whole) => whole.chars().map(Some).collect(),
        }
    }
}

/// RFC 1456, section 3. Six capitals lie among the controls there and are left to be controls.
const VISCII_UPPER: &str = "\
    ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚỹỵÝỡưàáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮ";

/// TCVN 5712:1993, VN1, without the capitals among the controls.
const TCVN_UPPER: &str = "\
    ÀẢÃÁẠẶẬÈẺẼÉẸỆÌỈĨÍỊÒỎÕÓỌỘỜỞỠỚỢÙỦŨ\u{A0}ĂÂÊÔƠƯĐăâêôơưđẰ\u{300}\u{309}\u{303}\u{301}\u{323}àảãáạẲằẳẵắẴẮẦẨẪẤỀặầẩẫấậèỂẻẽéẹềểễếệìỉỄẾỒĩíịòỔỏõóọồổỗốộờởỡớợùỖủũúụừửữứựỳỷỹýỵỐ";

/// IBM code page 037, EBCDIC of the United States.
const EBCDIC_037: &str = "\
    \u{0}\u{1}\u{2}\u{3}\u{9C}\u{9}\u{86}\u{7F}\u{97}\u{8D}\u{8E}\u{B}\u{C}\u{D}\u{E}\u{F}\
    \u{10}\u{11}\u{12}\u{13}\u{9D}\u{85}\u{8}\u{87}\u{18}\u{19}\u{92}\u{8F}\u{1C}\u{1D}\u{1E}\u{1F}\
    \u{80}\u{81}\u{82}\u{83}\u{84}\u{A}\u{17}\u{1B}\u{88}\u{89}\u{8A}\u{8B}\u{8C}\u{5}\u{6}\u{7}\
    \u{90}\u{91}\u{16}\u{93}\u{94}\u{95}\u{96}\u{4}\u{98}\u{99}\u{9A}\u{9B}\u{14}\u{15}\u{9E}\u{1A}\
    \u{20}\u{A0}âäàáãåçñ¢.<(+|\
    &éêëèíîïìß!$*);¬\
    -/ÂÄÀÁÃÅÇÑ¦,%_>?\
    øÉÊËÈÍÎÏÌ`:#@'=\"\
    Øabcdefghi«»ðýþ±\
    °jklmnopqrªºæ¸Æ¤\
    µ~stuvwxyz¡¿ÐÝÞ®\
    ^£¥·©§¶¼½¾[]¯¨´×\
    {ABCDEFGHI\u{AD}ôöòóõ\
    }JKLMNOPQR¹ûüùúÿ\
    \\÷STUVWXYZ²ÔÖÒÓÕ\
    0123456789³ÛÜÙÚ\u{9F}";

/// IBM code page 500, international EBCDIC.
const EBCDIC_500: &str = "\
    \u{0}\u{1}\u{2}\u{3}\u{9C}\u{9}\u{86}\u{7F}\u{97}\u{8D}\u{8E}\u{B}\u{C}\u{D}\u{E}\u{F}\
    \u{10}\u{11}\u{12}\u{13}\u{9D}\u{85}\u{8}\u{87}\u{18}\u{19}\u{92}\u{8F}\u{1C}\u{1D}\u{1E}\u{1F}\
    \u{80}\u{81}\u{82}\u{83}\u{84}\u{A}\u{17}\u{1B}\u{88}\u{89}\u{8A}\u{8B}\u{8C}\u{5}\u{6}\u{7}\
    \u{90}\u{91}\u{16}\u{93}\u{94}\u{95}\u{96}\u{4}\u{98}\u{99}\u{9A}\u{9B}\u{14}\u{15}\u{9E}\u{1A}\
    \u{20}\u{A0}âäàáãåçñ[.<(+!\
    &éêëèíîïìß]$*);^\
    -/ÂÄÀÁÃÅÇÑ¦,%_>?\
    øÉÊËÈÍÎÏÌ`:#@'=\"\
    Øabcdefghi«»ðýþ±\
    °jklmnopqrªºæ¸Æ¤\
    µ~stuvwxyz¡¿ÐÝÞ®\
    ¢£¥·©§¶¼½¾¬|¯¨´×\
    {ABCDEFGHI\u{AD}ôöòóõ\
    }JKLMNOPQR¹ûüùúÿ\
    \\÷STUVWXYZ²ÔÖÒÓÕ\
    0123456789³ÛÜÙÚ\u{9F}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_whole() {
        for page in ALL {
            assert_eq!(page.table().len(), 256, "{page:?}");
        }
    }

    #[test]
    fn known_letters() {
        for (label, byte, letter) in [
            ("cp437", 0x81, 'ü'),
            ("IBM850", 0xE1, 'ß'),
            ("cp855", 0xA0, 'а'),
            ("ibm037", 0xC1, 'A'),
            ("cp500", 0x4F, '!'),
            ("VISCII", 0xAA, 'ế'),
            ("TCVN", 0xD5, 'ế'),
        ] {
            assert_eq!(
                CodePage::of_label(label).map(|page| page.decode(&[byte])),
                Some((letter.to_string(), false)),
                "{label}"
            );
        }
        assert_eq!(IBM857.decode(&[0xD5, 0xE7]), ("\u{FFFD}\u{FFFD}".to_owned(), true));
    }
}
