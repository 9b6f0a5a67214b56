#!/usr/bin/env python3
"""Makes the sample DOCX files from the `.md` and the sample XLSX files from the `.tsv` files beside this script.

Needs python-docx and openpyxl. In a `.md` file the first line is the title; `# ` starts a heading, `- ` and `1. ` a list
item, `|` a table row (the first one is the header). In a `.tsv` file `## ` starts a sheet, the first row below it is
its header; dates, amounts and shares become numbers with a format. The output is the same on every run.
"""

import io
import re
import zipfile
from datetime import date, datetime
from pathlib import Path

import docx
import openpyxl
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from openpyxl.styles import Font

HERE = Path(__file__).resolve().parent
WRITTEN = datetime(2026, 1, 5, 9, 0)
TAGS = {"en": "en-GB", "de": "de-DE", "fr": "fr-FR", "es": "es-ES", "zh": "zh-CN", "ja": "ja-JP"}
DATES = {"en": "d mmm yyyy", "de": "dd.mm.yyyy", "fr": "dd/mm/yyyy", "es": "dd/mm/yyyy", "zh": 'yyyy"年"m"月"d"日"', "ja": 'yyyy"年"m"月"d"日"'}


def word(source, language):
    title, *lines = source.read_text(encoding="utf-8").splitlines()
    document = docx.Document()
    set_properties(document.core_properties, title, language)
    set_language(document, language)
    document.add_paragraph(title, style="Title")
    document.sections[0].header.paragraphs[0].text = title
    table = None
    for line in filter(None, lines):
        if not line.startswith("|"):
            table = None
            add_paragraph(document, line)
        elif table is None:
            table = add_row(document.add_table(rows=0, cols=line.count("|") - 1, style="Table Grid"), line)
            mark_header(table.rows[0])
        elif not line.startswith("| ---"):
            add_row(table, line)
    return document


def add_paragraph(document, line):
    for start, style in (("# ", "Heading 1"), ("- ", "List Bullet"), (r"\d+\. ", "List Number")):
        if re.match(start, line):
            document.add_paragraph(re.sub("^" + start, "", line), style=style)
            return
    document.add_paragraph(line)


def add_row(table, line):
    for cell, text in zip(table.add_row().cells, line.strip("| ").split(" | ")):
        cell.text = text
    return table


def mark_header(row):
    """The first row is repeated on each page, which is how a header row is told from others."""
    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    for cell in row.cells:
        cell.paragraphs[0].runs[0].bold = True


def set_language(document, language):
    element = OxmlElement("w:lang")
    element.set(qn("w:eastAsia" if language in ("zh", "ja") else "w:val"), TAGS[language])
    document.styles["Normal"].element.get_or_add_rPr().append(element)


def set_properties(properties, title, language):
    properties.title, properties.language = title, TAGS[language]
    properties.created = properties.modified = WRITTEN
    for name in ("author", "creator", "last_modified_by", "lastModifiedBy"):
        if hasattr(properties, name):
            setattr(properties, name, "Heimdex samples")
    if hasattr(properties, "comments"):
        properties.comments = ""


def sheets(source, language):
    book = openpyxl.Workbook()
    book.remove(book.active)
    set_properties(book.properties, "", language)
    for part in source.read_text(encoding="utf-8").split("## ")[1:]:
        name, *rows = part.strip().splitlines()
        sheet = book.create_sheet(name)
        for number, row in enumerate(rows, 1):
            for column, text in enumerate(row.split("\t"), 1):
                fill(sheet.cell(number, column), text, language)
                sheet.cell(number, column).font = Font(bold=number == 1)
        sheet.freeze_panes = "A2"
        for column in sheet.columns:
            width = max(sum(2 if ord(letter) > 0x2E80 else 1 for letter in str(cell.value)) for cell in column)
            sheet.column_dimensions[column[0].column_letter].width = width + 4
    book.properties.title = book.sheetnames[0]
    return book


def fill(cell, text, language):
    """A date, an amount or a share becomes a number shown as the text shows it; anything else stays text."""
    number = re.fullmatch(r"(?P<before>[£¥])?(?P<digits>\d[\d.,]*)(?P<after> [€%])?", text)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        cell.value, cell.number_format = date.fromisoformat(text), DATES[language]
    elif number:
        digits, after = number["digits"], (number["after"] or "").strip()
        comma = language in ("de", "es", "fr")
        plain = digits.replace(".", "").replace(",", ".") if comma else digits.replace(",", "")
        decimals = len(plain.partition(".")[2])
        value = float(plain) if decimals else int(plain)
        zeros = ("#,##0" if len(plain.partition(".")[0]) > 3 else "0") + ("." + "0" * decimals if decimals else "")
        formats = {"€": f'{zeros} "€"', "%": f"{zeros}%", "": f'"{number["before"]}"{zeros}' if number["before"] else zeros}
        cell.value, cell.number_format = (round(value / 100, decimals + 2) if after == "%" else value), formats[after]
    else:
        cell.value = text


def save(made, target):
    """Writes the package with fixed times: the libraries stamp the moment of the run."""
    buffer = io.BytesIO()
    made.save(buffer)
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(buffer) as raw, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for entry in raw.infolist():
            data = raw.read(entry)
            if entry.filename == "docProps/core.xml":
                stamp = WRITTEN.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
                data = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, data)
            out.writestr(zipfile.ZipInfo(entry.filename, (2026, 1, 5, 9, 0, 0)), data, zipfile.ZIP_DEFLATED, 9)
    print(f"{target.relative_to(HERE.parent)}: {target.stat().st_size} bytes")


def main():
    for ending, suffix, make in ((".md", ".docx", word), (".tsv", ".xlsx", sheets)):
        for source in sorted(HERE.glob(f"*.*{ending}")):
            name, language, _ = source.name.split(".")
            save(make(source, language), HERE.parent / language / (name + suffix))


if __name__ == "__main__":
    main()
