#!/usr/bin/env python3
"""Renders the sample PDFs from the text files beside this script.

Needs reportlab, DejaVu Sans (Debian: fonts-dejavu-core) and Droid Sans Fallback (fonts-droid-fallback).
Fonts are embedded as subsets with ToUnicode maps. A text file's first line is the title, `# ` starts a heading,
`---` starts a new page. The output is the same on every run.
"""

import re
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

HERE = Path(__file__).resolve().parent
FONTS = {
    "latin": "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "cjk": "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
}
CJK_LANGUAGES = {"zh", "ja"}


def styles(language):
    cjk = language in CJK_LANGUAGES
    shared = {"fontName": "cjk" if cjk else "latin", "wordWrap": "CJK" if cjk else None}
    return {
        "title": ParagraphStyle("title", fontSize=18, leading=24, spaceAfter=12, **shared),
        "heading": ParagraphStyle("heading", fontSize=13, leading=18, spaceBefore=10, spaceAfter=4, **shared),
        "body": ParagraphStyle("body", fontSize=11, leading=17, spaceAfter=6, **shared),
    }


def flow(title, text, style):
    yield Paragraph(escape(title), style["title"])
    for block in re.split(r"\n\s*\n", text.strip()):
        if block == "---":
            yield PageBreak()
            continue
        first, *rest = block.splitlines()
        if first.startswith("# "):
            yield Paragraph(escape(first[2:]), style["heading"])
        else:
            rest = [first, *rest]
        for line in rest:
            yield Paragraph(escape(line), style["body"])


def render(source):
    name, language, _ = source.name.split(".")
    title, text = source.read_text(encoding="utf-8").split("\n", 1)
    target = HERE.parent / language / f"{name}.pdf"
    target.parent.mkdir(exist_ok=True)
    document = SimpleDocTemplate(
        str(target), pagesize=A4, title=title, author="Heimdex samples", lang=language, invariant=1,
        leftMargin=25 * mm, rightMargin=25 * mm, topMargin=25 * mm, bottomMargin=25 * mm,
    )
    document.build(list(flow(title, text, styles(language))))
    print(f"{target.relative_to(HERE.parent)}: {target.stat().st_size} bytes")


def main():
    for name, path in FONTS.items():
        pdfmetrics.registerFont(TTFont(name, path))
    for source in sorted(HERE.glob("*.*.txt")):
        render(source)


if __name__ == "__main__":
    main()
