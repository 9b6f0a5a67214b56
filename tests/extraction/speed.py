"""Side by side in one run, one thread each: extraction in its limited child against the libraries in this process.

Every file is read from disk beforehand. Tools take turns, and of each tool and file the fastest turn counts. A file
that one of the tools cannot read counts for none. What is timed: all text of all pages, sheets or blocks of a file.
"""

import io
import json
import signal
import subprocess
import time

TURNS = 3
# A file that holds a tool up for longer is left out.
PATIENCE = 20


def measure(program, docs, work):
    """Rows of rates (pages or files per second): ours, the other tool's."""
    rows = [cost_of_isolation(program, files(docs, "pdf"))]
    for kind, tools in TOOLS.items():
        rows += compare(program, kind, files(docs, kind), tools)
    return {"rows": rows, "how": how()}


def how():
    scope = "PDF: the manuals of debian-multilang; the other formats: every file of the sets."
    return f"{__doc__.strip()}\n\n{TURNS} turns. {scope}"


def files(docs, kind):
    if kind == "pdf":
        return sorted(docs.glob("debian-multilang/*/*/*.pdf"))
    return sorted(path for path in docs.rglob(f"*.{kind}") if "_silver" not in path.parts)


def compare(program, kind, paths, tools):
    ours, theirs, pages = {}, {name: {} for name in tools}, {}
    for _ in range(TURNS):
        for path, seconds, count in run(program, paths):
            keep(ours, path, seconds)
            pages[path] = count
        for name, tool in tools.items():
            for path in paths:
                keep(theirs[name], str(path), timed(tool, path.read_bytes()))
    for name, times in theirs.items():
        common = [path for path in ours if ours[path] and times.get(path)]
        work = sum(pages[path] for path in common) if kind == "pdf" else len(common)
        yield {
            "what": kind.upper(),
            "tool": name,
            "unit": "pages/s" if kind == "pdf" else "files/s",
            "files": len(common),
            "pages": work if kind == "pdf" else None,
            "ours": work / sum(ours[path] for path in common),
            "theirs": work / sum(times[path] for path in common),
        }


def cost_of_isolation(program, paths):
    limited, free, pages = {}, {}, 0
    for _ in range(TURNS):
        for path, seconds, count in run(program, paths):
            keep(limited, path, seconds)
            pages += count
        for path, seconds, _ in run([*program, "--in-process"], paths):
            keep(free, path, seconds)
    work = pages / TURNS
    return {
        "what": "PDF, isolation on and off",
        "tool": "Heimdex without isolation",
        "unit": "pages/s",
        "files": len(paths),
        "pages": round(work),
        "ours": work / sum(limited.values()),
        "theirs": work / sum(free.values()),
    }


def run(program, paths):
    """(path, seconds or `None`, pages) of each file, in one process with one child."""
    done = subprocess.run([*program, *map(str, paths)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    for line in done.stdout.decode().splitlines():
        record = json.loads(line)
        document = record["document"]
        yield record["file"], document and record["micros"] / 1e6, len(document["pages"]) if document else 0


def keep(times, path, seconds):
    known = times.get(path, seconds)
    times[path] = min(known, seconds) if known and seconds else None


def timed(tool, data):
    """Seconds, or `None` when the tool fails or takes too long."""
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    begun = time.perf_counter()
    try:
        tool(data)
    except Exception:  # Any failure of a tool is a finding about the tool.
        return None
    finally:
        signal.alarm(0)
    return time.perf_counter() - begun


def give_up(*_):
    raise TimeoutError


def pdfium(data):
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    texts = [page.get_textpage().get_text_bounded() for page in document]
    document.close()
    return texts


def pymupdf(data):
    import pymupdf as library

    with library.open(stream=data, filetype="pdf") as document:
        return [page.get_text("dict", sort=True) for page in document]


def python_docx(data):
    import others

    return others.python_docx(io.BytesIO(data))


def openpyxl(data):
    import others

    return others.openpyxl(io.BytesIO(data))


def trafilatura(data):
    import trafilatura as library

    return library.extract(data, include_comments=True, include_tables=True)


def beautifulsoup4(data):
    from bs4 import BeautifulSoup

    return BeautifulSoup(data, "lxml").get_text("\n")


TOOLS = {
    "pdf": {"PDFium (pypdfium2)": pdfium, 'PyMuPDF get_text("dict", sort=True)': pymupdf},
    "docx": {"python-docx": python_docx},
    "xlsx": {"openpyxl, read_only": openpyxl},
    "html": {"trafilatura": trafilatura, "beautifulsoup4 (lxml)": beautifulsoup4},
}
