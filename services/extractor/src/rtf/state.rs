//! What a group inherits from the one around it, and the code pages of fonts.

/// Where text goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Destination {
    #[default]
    Body,
    /// Text that numbers a list item: part of the body.
    Shown,
    /// A footnote or comment.
    Note,
    /// A style, by its name.
    Style,
    /// A property of the document.
    Property(&'static str),
    Created,
    Modified,
    /// Not text, or not text of the body.
    Skipped,
}

impl Destination {
    /// What `name` opens, if it is the name of a destination.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"listtext" | b"pntext" => Self::Shown,
            b"footnote" | b"annotation" => Self::Note,
            b"stylesheet" => Self::Style,
            b"title" => Self::Property("title"),
            b"author" => Self::Property("author"),
            b"subject" => Self::Property("subject"),
            b"keywords" => Self::Property("keywords"),
            b"creatim" => Self::Created,
            b"revtim" => Self::Modified,
            b"shptxt" | b"result" => Self::Body,
            b"shprslt" | b"fonttbl" | b"colortbl" | b"pict" | b"object" | b"fldinst" | b"header" | b"headerl"
            | b"headerr" | b"headerf" | b"footer" | b"footerl" | b"footerr" | b"footerf" | b"listtable"
            | b"listoverridetable" | b"pn" | b"pntxta" | b"pntxtb" | b"bkmkstart" | b"bkmkend" | b"atnid"
            | b"atnauthor" | b"xe" | b"tc" | b"themedata" | b"datastore" | b"latentstyles" | b"rsidtbl"
            | b"generator" | b"nonshppict" | b"shpinst" | b"private1" | b"nonesttables" | b"ftnsep" | b"ftnsepc"
            | b"aftnsep" | b"aftnsepc" | b"revtbl" | b"operator" | b"company" | b"doccomm" | b"comment"
            | b"category" | b"manager" | b"hlinkbase" | b"printim" | b"buptim" => Self::Skipped,
            _ => return None,
        })
    }

    /// Whether its text is collected apart from the body.
    pub(super) fn is_aside(self) -> bool {
        matches!(self, Self::Note | Self::Style | Self::Property(_))
    }
}

/// What a group inherits.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub destination: Destination,
    /// Characters after `\u` that stand for it.
    pub skipped: u32,
    pub font: i32,
    pub style: i32,
    pub outline: Option<u8>,
    pub hidden: bool,
    pub in_table: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            destination: Destination::Body,
            skipped: 1,
            font: -1,
            style: 0,
            outline: None,
            hidden: false,
            in_table: false,
        }
    }
}

/// The code page that a font's `\fcharset` asks for; none for the document's own.
pub(super) fn codepage_of_charset(charset: i32) -> Option<u32> {
    Some(match charset {
        77 => 10_000,
        128 => 932,
        129 => 949,
        130 => 1361,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        255 => 437,
        _ => return None,
    })
}

/// The label of a Windows code page.
pub(super) fn label(codepage: u32) -> String {
    match codepage {
        874 => "windows-874".to_owned(),
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        1250..=1258 => format!("windows-{codepage}"),
        1361 => "johab".to_owned(),
        10_000 => "macintosh".to_owned(),
        10_007 => "x-mac-cyrillic".to_owned(),
        20_866 => "koi8-r".to_owned(),
        21_866 => "koi8-u".to_owned(),
        28_591..=28_605 => format!("iso-8859-{}", codepage - 28_590),
        54_936 => "gb18030".to_owned(),
        65_001 => "utf-8".to_owned(),
        other => format!("cp{other}"),
    }
}
