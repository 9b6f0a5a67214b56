"""The text of a file as other tools give it, in reading order where they can."""

import subprocess


def poppler(path):
    return subprocess.run(["pdftotext", "-enc", "UTF-8", path, "-"], capture_output=True, timeout=120).stdout.decode(
        "utf-8", "replace"
    )


def pymupdf(path):
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)
    with pymupdf.open(path) as document:
        return "\n".join(page.get_text() for page in document)


def pdfium(path):
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    try:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)
    finally:
        document.close()


def python_docx(path):
    import docx
    from docx.table import Table

    def blocks(parent):
        for block in parent.iter_inner_content():
            if isinstance(block, Table):
                for row in block.rows:
                    # A merged cell is given once for each column that it spans.
                    for cell in dict.fromkeys(row.cells):
                        yield from blocks(cell)
            else:
                yield block.text

    return "\n".join(blocks(docx.Document(path)))


def openpyxl(path):
    import openpyxl as library

    book = library.load_workbook(path, read_only=True, data_only=True)
    try:
        sheets = [(sheet.title, sheet.iter_rows(values_only=True)) for sheet in book.worksheets]
        return "\n".join(
            "\n".join([title] + [" | ".join(str(cell) for cell in row if cell is not None) for row in rows])
            for title, rows in sheets
        )
    finally:
        book.close()


def trafilatura(path):
    import trafilatura as library

    with open(path, "rb") as file:
        return library.extract(file.read(), include_comments=True, include_tables=True) or ""


def beautifulsoup4(path):
    from bs4 import BeautifulSoup
    with open(path, "rb") as file:
        soup = BeautifulSoup(file.read(), "lxml")
    for hidden in soup(["script", "style", "template", "noscript", "title"]):
        hidden.decompose()
    return soup.get_text("\n")


def charset_normalizer(path):
    import charset_normalizer as library

    best = library.from_path(path).best()
    return str(best) if best else ""


TOOLS = {
    "pdf": {"poppler": poppler, "PyMuPDF": pymupdf, "PDFium": pdfium},
    "docx": {"python-docx": python_docx},
    "xlsx": {"openpyxl": openpyxl},
    "html": {"trafilatura": trafilatura, "beautifulsoup4": beautifulsoup4},
}


def text(tool, path):
    """The text, or `None` where the tool fails on the file."""
    try:
        return tool(str(path))
    except Exception:  # Any failure of a tool is a finding about the tool.
        return None
