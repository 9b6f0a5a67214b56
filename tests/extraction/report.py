"""The page kept in the repository, from the figures of both parts."""

from collections import Counter, defaultdict
from pathlib import PurePath

TOOLS = {
    "pdf": ["poppler", "PyMuPDF", "PDFium"],
    "docx": ["python-docx"],
    "xlsx": ["openpyxl"],
    "html": ["trafilatura", "beautifulsoup4"],
}
BAR = 0.9

HEAD = """# Extraction, measured

Written by `tests/extraction/measure.py --data DIR`; do not edit. DIR is a folder of real documents that is not part of
the repository (their licences differ); the truth lies beside the documents.
"""

SCORES = """
## Text against its truth

Recall / precision of letter bigrams (`tests/extraction/score.py`), mean over the texts of a row. Recall says how much of
the truth came out, precision how much of what came out is in the truth. The other tools read the same files in the same
run; a file that a tool cannot read counts 0 for it. The HTML pages of a manual count as one text. In sheets no bigram
crosses the border of a cell. What a truth leaves out or adds by its own convention is evened out in
`tests/extraction/truth.py`: numbers of list items, alternative texts, link targets, repeated merged cells.
"""


def page(figures):
    parts = [HEAD]
    if quality := figures.get("quality"):
        parts += [SCORES, scores(quality["cases"]), below(quality["cases"])]
        parts += [recognized(quality["recognized"])] if quality["recognized"] else []
        parts += [encodings(quality["encodings"]), everything(quality), not_ok(quality)]
    if speed := figures.get("speed"):
        parts.append(speeds(speed))
    return "\n".join(parts)


def scores(cases):
    groups = defaultdict(list)
    for case in cases:
        groups[case["group"], case["format"], case["label"]].append(case)
    text = []
    for kind, tools in TOOLS.items():
        rows = [
            [group, label, len(members), *(mean(members, tool) for tool in ["heimdex", *tools])]
            for (group, format_, label), members in groups.items()
            if format_ == kind
        ]
        text.append(f"\n### {kind.upper()}\n\n" + table(["set", "which", "texts", "Heimdex", *tools], rows))
    return "\n".join(text)


def mean(cases, tool):
    pairs = [case["scores"][tool] or (0, 0) for case in cases]
    recall, precision = (sum(side) / len(pairs) for side in zip(*pairs))
    return f"{recall:.4f} / {precision:.4f}"


def below(cases):
    rows = [
        [f"`{case['file']}`", pair(case["scores"]["heimdex"]), best(case), case["reason"]]
        for case in cases
        if min(case["scores"]["heimdex"]) < BAR
    ]
    title = f"\n### Texts with recall or precision below {BAR}\n\n"
    return title + table(["text", "Heimdex", "best of the others", "reason"], sorted(rows))


def best(case):
    others = {tool: score for tool, score in case["scores"].items() if tool != "heimdex" and score}
    if not others:
        return "–"
    tool = max(others, key=lambda name: sum(others[name]))
    return f"{pair(others[tool])} {tool}"


def pair(score):
    return f"{score[0]:.3f} / {score[1]:.3f}"


def recognized(rows):
    lines = [[f"`{row['file']}`", pair(row["score"]), ", ".join(map(str, row["confidence"]))] for row in rows]
    head = ["scanned pages, read by tesseract", "recall / precision", "confidence, %"]
    return "\n### OCR\n\n" + table(head, lines)


def encodings(rows):
    tools = list(rows[0]["right"])
    labels = defaultdict(list)
    for row in rows:
        labels[row["label"]].append(row)
    lines = [
        [label, len(members), *(sum(row["right"][tool] for row in members) for tool in tools)]
        for label, members in labels.items()
        if not all(row["right"][tool] for row in members for tool in tools)
    ]
    all_right = [label for label in labels if label not in {line[0] for line in lines}]
    total = ["all", len(rows), *(f"{right(rows, tool)} ({right(rows, tool) / len(rows):.1%})" for tool in tools)]
    wrong = [f"`{row['file']}` ({row['outcome']})" for row in rows if not row["right"]["heimdex"]]
    return "\n".join(
        [
            "\n## Encodings\n",
            "A file is right when the letters outside ASCII that came out are, to 99 %, those that its folder's label",
            "makes of the bytes.\n",
            table(["label", "files", *("Heimdex" if tool == "heimdex" else tool for tool in tools)], [*lines, total]),
            f"\nAll right with both: {', '.join(all_right)}.\n",
            f"Wrong: {', '.join(wrong) or 'none'}.",
        ]
    )


def right(rows, tool):
    return sum(row["right"][tool] for row in rows)


def everything(quality):
    groups = defaultdict(list)
    for row in quality["outcomes"]:
        groups[PurePath(row["file"]).parts[0], row["format"]].append(row)
    rows = []
    for (group, kind), members in sorted(groups.items()):
        count = Counter(row["outcome"].split()[0] for row in members)
        codes = Counter(row["outcome"] for row in members if row["outcome"] != "ok")
        codes = ", ".join(f"{code} {n}" for code, n in sorted(codes.items()))
        slowest = max(row["millis"] for row in members)
        rows.append([group, kind, len(members), count["ok"], codes, f"{slowest:,.0f}"])
    total, run = quality["outcomes"], quality["run"]
    return "\n".join(
        [
            "\n## Every file\n",
            f"{len(total)} files in {run['seconds']:.0f} s in one limited child; largest process {run['peak_mib']:.0f} MiB;",
            f"crashes: {codes_of(total, 'crashed')}, hangs: {codes_of(total, 'timeout')},",
            f"out of memory: {codes_of(total, 'out_of_memory')}.\n",
            table(["set", "format", "files", "ok", "not ok", "slowest, ms"], rows),
        ]
    )


def codes_of(rows, code):
    return sum(row["outcome"] == f"failed {code}" for row in rows)


def not_ok(quality):
    rows = [[f"`{row['file']}`", row["outcome"], row["why"]] for row in quality["outcomes"] if row["outcome"] != "ok"]
    odd = [f"- `{row['file']}`: {row['outcome']}, not {row['expected']}" for row in quality["unexpected"]]
    return "\n".join(
        [
            "\n### Files that are not ok, and why that is right\n",
            "Judged one by one in `tests/extraction/outcomes.tsv`.\n",
            table(["file", "outcome", "why"], sorted(rows)),
            "\nOtherwise than judged:\n" + "\n".join(odd) if odd else "\nNone ends otherwise than judged.",
        ]
    )


def speeds(speed):
    rows = []
    for row in speed["rows"]:
        ours, theirs = (f"{row[side]:,.0f} {row['unit']}" for side in ("ours", "theirs"))
        ratio = f"{row['ours'] / row['theirs']:.2f}×"
        rows.append([row["what"], row["files"], row["pages"] or "", ours, theirs, row["tool"], ratio])
    head = ["what", "files", "pages", "Heimdex", "the other", "which", "ratio"]
    return "\n".join(["\n## Speed, side by side\n", speed["how"], "", table(head, rows)])


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(value):
    return str(value).replace("|", "\\|").replace("\n", " ")
