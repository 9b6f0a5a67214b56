"""Text and outcomes: our extraction of every file, scored where there is a truth, beside the other tools."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import others
import score
import truth

HERE = Path(__file__).resolve().parent
# Text that other tools took out of these files, and what lies beside documents only to describe them.
NOT_DOCUMENTS = ("_silver",)


def measure(program, docs, work):
    folders = sorted(path for path in docs.iterdir() if path.is_dir() and path.name not in NOT_DOCUMENTS)
    ours, run = extract(program, docs, folders, work / "ours.jsonl", ocr="off")
    outcomes = tell_outcomes(ours)
    return {
        "run": run,
        "cases": [rate(case, ours, docs, work / "others") for case in truth.cases(docs)],
        "encodings": [rate_encoding(*file, ours, docs, work / "others") for file in truth.encodings(docs)],
        "recognized": recognize(program, docs, work) if shutil.which("tesseract") else [],
        "outcomes": outcomes,
        "unexpected": [outcome for outcome in outcomes if outcome["expected"] != outcome["outcome"]],
    }


def extract(program, docs, folders, lines, ocr):
    """Every file's line by path below `docs`, and what the run took."""
    begun, environment = time.monotonic(), {**os.environ, "HEIMDEX_OCR": ocr}
    with open(lines, "wb") as out:
        command = [*program, *map(str, folders)]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=environment)
        peak = watch(process)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    seconds = time.monotonic() - begun
    ours = {}
    with open(lines, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            ours[str(Path(record["file"]).relative_to(docs))] = record
    return ours, {"seconds": seconds, "peak_mib": peak / 1024}


def watch(process):
    """Waits for the end; the most KiB that the process or a child of it had in memory (Linux)."""
    peak = 0
    while process.poll() is None:
        children = Path(f"/proc/{process.pid}/task").glob("*/children")
        pids = [process.pid, *(pid for path in children for pid in words(path))]
        peak = max(peak, *map(most_memory, pids))
        time.sleep(0.05)
    return peak


def most_memory(pid):
    status = words(f"/proc/{pid}/status")
    return int(status[status.index("VmHWM:") + 1]) if "VmHWM:" in status else 0


def words(path):
    """Of a file below /proc; none when its process has ended."""
    try:
        return Path(path).read_text().split()
    except OSError:
        return []


def recognize(program, docs, work):
    """The scanned pages that have a truth, read by OCR."""
    ours, _ = extract(program, docs, [docs / "docling" / "scanned"], work / "recognized.jsonl", ocr="on")
    rows = []
    for file, record in ours.items():
        recorded = docs / f"{file}.md"
        if recorded.exists():
            scores = score.score(truth.markdown_file(recorded), text_of(record))
            confidence = [page.get("ocr_confidence") for page in pages(record)]
            rows.append({"file": file, "score": scores, "confidence": confidence})
    return rows


def tell_outcomes(ours):
    """One row per file with a short outcome, and what outcomes.tsv says it should be; `ok` where it says nothing."""
    expected = dict(table("outcomes.tsv"))
    return [
        {
            "file": file,
            "format": record["outcome"].split()[0] if record["document"] else Path(file).suffix.lower()[1:],
            "outcome": outcome(record),
            "expected": expected.get(file, ["ok", ""])[0],
            "why": expected.get(file, ["ok", ""])[1],
            "detail": record["error"] or details(record["document"]),
            "millis": record["micros"] / 1000,
            "characters": sum(len(page["text"]) for page in pages(record)),
        }
        for file, record in ours.items()
    ]


def outcome(record):
    if not record["document"]:
        return record["outcome"]
    codes = {warning["warning"] for warning in record["document"]["warnings"]}
    codes |= {"needs_ocr"} if any(page["needs_ocr"] for page in pages(record)) else set()
    return " ".join(["degraded", *sorted(codes)]) if codes else "ok"


def details(document):
    ocr = [page["number"] for page in document["pages"] if page["needs_ocr"]]
    return "; ".join([json.dumps(warning) for warning in document["warnings"]] + ([f"OCR: pages {ocr}"] if ocr else []))


def pages(record):
    return (record["document"] or {}).get("pages", [])


def text_of(record, furniture=False, numbers=True):
    parts = []
    for page in pages(record):
        parts.append(page["text"] if numbers else without_numbers(page))
        parts += page.get("furniture", []) if furniture else []
    return "\n".join(parts)


def without_numbers(page):
    """The text without what marks the items of its lists: `1.`, `a)`, `2.1`, `•`."""
    items = {block["span"][0] for block in page.get("blocks", []) if block["kind"] == "list_item"}
    starts = [0, *sorted(items - {0}), len(page["text"])]
    parts = []
    for start, end in zip(starts, starts[1:]):
        part = page["text"][start:end]
        parts.append(re.sub(r"^\s*(?:[(\w.]{1,8}[.)]|\d+(?:\.\d+)+|[^\w\s])\s", "", part) if start in items else part)
    return "".join(parts)


def rate(case, ours, docs, cache):
    names = [str(file.relative_to(docs)) for file in case.files]
    text = "\n".join(text_of(ours[name], case.furniture, case.numbers) for name in names)
    measure = score.cell_score if case.format == "xlsx" else score.score
    scores = {"heimdex": measure(case.truth, text)}
    for name, tool in others.TOOLS[case.format].items():
        texts = [cached(cache, name, tool, file) for file in case.files]
        scores[name] = measure(case.truth, "\n".join(texts)) if None not in texts else None
    row = {"group": case.group, "format": case.format, "label": case.label, "files": len(names), "scores": scores}
    file = names[0] if len(names) == 1 else str(Path(names[0]).parent)
    return row | {"file": file, "reason": dict(table("reasons.tsv")).get(file, [""])[0]}


def rate_encoding(label, file, wanted, ours, docs, cache):
    """Right when the letters outside ASCII that came out are, to 99 %, those that the label makes of the bytes."""
    name = str(file.relative_to(docs))
    texts = {
        "heimdex": text_of(ours[name]),
        "charset-normalizer": cached(cache, "charset-normalizer", others.charset_normalizer, file) or "",
    }
    right = {tool: is_decoded(wanted, text) for tool, text in texts.items()}
    return {"label": label, "file": name, "right": right, "outcome": outcome(ours[name])}


def is_decoded(wanted, text):
    recall, precision = score.foreign_score(wanted, text)
    return recall > 0 and precision >= 0.99


def cached(cache, name, tool, file):
    """The tool's text, kept from run to run: the other tools do not change."""
    key = hashlib.sha256(f"{name} {file} {file.stat().st_mtime_ns}".encode()).hexdigest()[:20]
    path = cache / f"{key}.json"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(others.text(tool, file)))
    return json.loads(path.read_text())


def table(name):
    """Rows of a tab-separated file beside this one: (first column, the others); `#` starts a comment."""
    path = HERE / name
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            first, *rest = line.split("\t")
            yield first, rest


def counts(outcomes):
    return Counter(row["outcome"] for row in outcomes)
