#!/usr/bin/env python3
"""Measures extraction on real files against their truth and against other tools, and writes docs/extraction.md.

    tests/extraction/measure.py --data DIR [--make-venv] [--part quality|speed]

Not part of `cargo test`: it needs the folder of real documents (DIR holds debian-multilang, docling, pdfbox, …; their
licences differ, so they are not in the repository), Python packages in a virtual environment of its own
(requirements.txt; --make-venv makes it) and the program pdftotext (Debian: poppler-utils).

Both parts keep their figures as JSON below target/extraction; the page is written from what is there. Exit code 1 when
a file ends otherwise than outcomes.tsv says.
"""

import argparse
import json
import os
import subprocess
import sys
import venv
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "target" / "extraction"


def main():
    options = arguments()
    inside(options)
    sys.dont_write_bytecode = True
    import quality
    import report
    import speed

    warnings.simplefilter("ignore")  # What the other tools have to say about these files is not asked.
    WORK.mkdir(parents=True, exist_ok=True)
    program = [options.program or build(), options.pdfium or pdfium()]
    parts = {"quality": quality.measure, "speed": speed.measure}
    for name in [options.part] if options.part else parts:
        figures = parts[name](program, options.data, WORK)
        (WORK / f"{name}.json").write_text(json.dumps(figures, ensure_ascii=False, indent=1))
    figures = {name: json.loads(path.read_text()) for name in parts if (path := WORK / f"{name}.json").exists()}
    options.page.write_text(report.page(figures))
    print(f"wrote {options.page}", file=sys.stderr)
    sys.exit(bool(figures.get("quality", {}).get("unexpected")))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of real documents")
    parser.add_argument("--part", choices=["quality", "speed"], help="both unless given")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "extraction.md", help="what is written")
    parser.add_argument("--program", help="the example extract_folder; built with cargo unless given")
    parser.add_argument("--pdfium", help="libpdfium.so; the provisioned one unless given")
    parser.add_argument("--venv", type=Path, default=WORK / "venv", help="virtual environment with the other tools")
    parser.add_argument("--make-venv", action="store_true", help="make it, with what requirements.txt lists")
    options = parser.parse_args()
    options.data = options.data.resolve()
    return options


def inside(options):
    """Goes on in the virtual environment, which is made first when that is asked for."""
    python = options.venv / "bin" / "python"
    if Path(sys.prefix).resolve() == options.venv.resolve():
        return
    if options.make_venv:
        venv.create(options.venv, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"], check=True)
    if not python.exists():
        sys.exit(f"{options.venv} is no virtual environment: give --make-venv once, or --venv DIR")
    os.execv(python, [str(python), *sys.argv])


def build():
    command = ["cargo", "build", "--release", "--locked", "-p", "heimdex-extractor", "--example", "extract_folder"]
    subprocess.run(command, cwd=ROOT, check=True)
    return str(ROOT / "target" / "release" / "examples" / "extract_folder")


def pdfium():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heimdex"
    found = sorted(cache.glob("pypdfium2-*/libpdfium.*"))
    if not found:
        sys.exit(f"no PDFium below {cache}: run `heimdex provision` first, or give --pdfium")
    return str(found[-1])


if __name__ == "__main__":
    main()
