"""The files that have a truth beside them, and that truth as plain text."""

import html
import re
import zipfile
from dataclasses import dataclass

import score

# Manuals without a PDF in their language: in its place is one page that says so, in English.
WITHOUT_PDF = ("debian-faq.ja", "debian-faq.zh-cn")
MANUALS = {"en": "en", "es": "es", "fr": "fr", "de": "de", "zh-cn": "zh", "ja": "ja"}

# Pages whose truth holds the site's navigation, which main text is to leave out: a row of their own.
WITH_NAVIGATION = ("wiki_duck.html",)

# Python's name for the encoding of a folder, where it is not the folder's own up to a language. Web pages labelled
# with the key are read as the superset by every browser (WHATWG Encoding, section 4.2).
CODECS = {
    "big5": "cp950",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "ibm855": "cp855",
    "ibm866": "cp866",
    "iso-8859-1": "cp1252",
    "iso-8859-9": "cp1254",
    "maccyrillic": "mac_cyrillic",
    "macroman": "mac_roman",
    "shift_jis": "cp932",
    "tis-620": "cp874",
}


@dataclass
class Case:
    """One text that several tools are asked for: that of one file, or of all HTML pages of one manual."""

    group: str
    format: str
    label: str
    files: list
    truth: str
    # Whether the truth shows running headers and page numbers, which are kept apart from the text of a page.
    furniture: bool = False
    # Whether the truth shows the numbers of list items.
    numbers: bool = True


def cases(docs):
    """All cases whose truth holds a letter; some recorded truths are empty."""
    return (case for case in all_cases(docs) if score.letters(case.truth))


def all_cases(docs):
    yield from manuals(docs / "debian-multilang")
    yield from beside(docs / "pdfbox", "*.pdf", "{}.txt", read, "pdfbox", furniture=True)
    for kind in ("docx", "xlsx", "html", "pdf"):
        folder = docs / "docling" / kind
        for case in beside(folder, f"*.{kind[:3]}*", "{}.md", markdown_file, "docling", furniture=kind == "pdf"):
            case.truth += "\n" + "\n".join(alternative_texts(case.files[0]))
            case.truth = once_each(case.truth, case.files[0]) if kind == "xlsx" else case.truth
            case.label = "with navigation" if case.files[0].name in WITH_NAVIGATION else ""
            yield case
    yield from pandoc(docs / "pandoc-docx")
    yield from html2text(docs / "html2text")


def manuals(folder):
    for truth in sorted(folder.glob("*/*/*.txt")):
        language, text = MANUALS[truth.parent.name], read(truth)
        if truth.stem not in WITHOUT_PDF:
            yield Case("debian-multilang", "pdf", language, [truth.with_suffix(".pdf")], text)
        # The text version prints the target of each link in parentheses; in HTML it is no text.
        text = re.sub(r"\((?:https?|ftp|mailto):[^()]*\)", " ", text)
        yield Case("debian-multilang", "html", language, sorted(truth.parent.glob("html/*.html")), text)


def beside(folder, pattern, name, load, group, furniture=False):
    for file in sorted(folder.rglob(pattern)):
        truth = file.with_name(name.format(file.name))
        if truth.exists():
            yield Case(group, kind(file), "", [file], load(truth), furniture)


def alternative_texts(file):
    """What stands for the pictures of a DOCX or an HTML page; docling's markdown leaves it out."""
    if file.suffix == ".docx":
        with zipfile.ZipFile(file) as package:
            source = package.read("word/document.xml").decode()
        found = re.findall(r'<wp:docPr\b[^>]*?\bdescr="([^"]*)"', source)
    else:
        source = read(file) if file.suffix == ".html" else ""
        found = re.findall(r'<img\b[^>]*?\balt="([^"]*)"', source, re.S)
    return [html.unescape(text) for text in found]


def once_each(text, file):
    """The cells with the value of a merged cell once: docling repeats it in every cell that it covers."""
    import openpyxl

    cells = [" ".join(cell.split()) for cell in re.split(r"[|\n]", text)]
    for sheet in openpyxl.load_workbook(file, data_only=True):
        for merged in sheet.merged_cells.ranges:
            value = " ".join(str(sheet.cell(merged.min_row, merged.min_col).value).split())
            for _ in range(min(merged.size["rows"] * merged.size["columns"], cells.count(value)) - 1):
                cells.remove(value)
    return "\n".join(cells)


def pandoc(folder):
    for file in sorted(folder.glob("*.docx")):
        names = (f"{file.stem}{ending}.native" for ending in ("", "_accept", "_parse_indent"))
        truth = next((folder / name for name in names if (folder / name).exists()), None)
        if truth:
            yield Case("pandoc-docx", "docx", "", [file], native(read(truth)), numbers=False)


def html2text(folder):
    for file in sorted(folder.glob("*.html")):
        yield Case("html2text", "html", "", [file], markdown_file(file.with_suffix(".md")))


def kind(file):
    return {".xlsm": "xlsx"}.get(file.suffix, file.suffix[1:])


def read(path):
    return path.read_bytes().decode("utf-8", "replace")


def markdown_file(path):
    return markdown(read(path))


def markdown(text):
    """What a reader of rendered markdown sees."""
    text = re.sub(r"<!--.*?-->", " ", text, flags=re.S)
    text = re.sub(r"^\s*(```|~~~).*$", " ", text, flags=re.M)
    # How docling writes the author of a comment, and a task box.
    text = re.sub(r"\[author: ([^,\]]*)[^\]]*\]:", r"\1 ", text)
    text = re.sub(r"\[[xX ]\]", " ", text)
    text = re.sub(r"^\s*\[[^\]\n]+\]:\s*\S.*$", " ", text, flags=re.M)
    target = r"\(\s*(?:<[^>]*>|(?:[^()\s]|\([^()]*\))*)(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)"
    for _ in range(2):  # An image may be the text of a link.
        text = re.sub(r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]" + target, r"\1", text)
        text = re.sub(r"!?\[([^\[\]]*)\]\[[^\[\]]*\]", r"\1", text)
    text = re.sub(r"\$\$?(.+?)\$?\$", lambda math: re.sub(r"\\[A-Za-z]+", " ", math.group(1)), text, flags=re.S)
    return html.unescape(re.sub(r"</?(?:br|u|sub|sup|b|i|p|a|span|div)\b[^>]*>", " ", text))


HASKELL = r'"((?:[^"\\]|\\.)*)"'


def native(text):
    """The strings of pandoc's native format, a line end after each block."""
    token = re.compile(
        rf"\b(?:Str|Code(?:Block)? \(.*?\]\)|Math \w+) {HASKELL}"
        r"|(Space|SoftBreak)|(LineBreak|Para|Plain|Header|Cell)",
        re.S,
    )
    parts = []
    for match in token.finditer(text):
        string, space, block = match.groups()
        parts.append(unescape(string) if string is not None else " " if space else "\n" if block else "")
    return "".join(parts)


def unescape(string):
    simple = {"n": "\n", "t": "\t", "&": "", '"': '"', "\\": "\\", "r": "\r"}
    escape = r"\\(?:(\d+)|(.))"
    return re.sub(escape, lambda m: chr(int(m[1])) if m[1] else simple.get(m[2], m[2]), string)


def encodings(docs):
    """(label, file, the file's text as its label decodes it)"""
    for folder in sorted(path for path in (docs / "chardet").iterdir() if path.is_dir()):
        for file in sorted(path for path in folder.iterdir() if path.is_file()):
            yield folder.name, file, html.unescape(file.read_bytes().decode(codec(folder.name), "replace"))


def codec(label):
    label = label.lower()
    if label.startswith(("iso-8859-", "windows-")):
        label = re.sub(r"-[a-z]+$", "", label)
    return CODECS.get(label, label)
