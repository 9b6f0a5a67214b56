#!/usr/bin/env python3
"""Does a sentence from the middle of each PDF find its own page among the first three hits?

Usage: find_pages.py HEIMDEX FOLDER [--nats URL] [--org ORG]

HEIMDEX is the program, FOLDER was ingested with `heimdex ingest FOLDER` before. For each PDF: the page in the middle
that holds text, the sentence in the middle of that page, one search with the asset as filter and a limit of 3.
Prints one JSON line per PDF and a summary by language (taken from the document), exit code 1 if one is not found.
"""
import argparse, collections, json, pathlib, re, subprocess, sys


def run(*args):
    return json.loads(subprocess.run(args, capture_output=True, text=True, check=True).stdout)


def middle_page(pages):
    """The page nearest to the middle that has a sentence, and its middle sentence."""
    for distance in range(len(pages)):
        for index in {len(pages) // 2 + distance, len(pages) // 2 - distance}:
            if 0 <= index < len(pages) and len(pages[index]["text"]) > 400:
                sentence = middle_sentence(pages[index]["text"])
                if sentence:
                    return pages[index], sentence
    return None, None


def middle_sentence(text):
    sentences = [" ".join(s.split()) for s in re.split(r"(?<=[.!?])\s+|(?<=[。！？])", text)]
    good = [s for s in sentences if 40 <= len(s) <= 300 or (re.search(r"[\u3040-\u9fff]", s) and 15 <= len(s) <= 150)]
    return good[len(good) // 2] if good else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("heimdex")
    parser.add_argument("folder")
    parser.add_argument("--nats", default="nats://127.0.0.1:4222")
    parser.add_argument("--org", default="demo")
    options = parser.parse_args()
    tally = collections.defaultdict(lambda: [0, 0])
    for path in sorted(pathlib.Path(options.folder).rglob("*.pdf")):
        report = run(options.heimdex, "extract", "--json", str(path))
        page, sentence = middle_page(report["pages"])
        if not page:
            print(json.dumps({"path": str(path), "skipped": "no page with a sentence"}))
            continue
        answer = run(options.heimdex, "search", "--json", "--limit", "3", "--nats", options.nats, "--org", options.org,
                     "--asset-id", str(path), sentence)
        pages = [hit.get("pages") or [hit["page"]] for hit in answer["hits"]]
        found = any(page["number"] in hit for hit in pages)
        tally[report["language"]][0] += found
        tally[report["language"]][1] += 1
        print(json.dumps({"path": str(path), "page": page["number"], "found": found, "hits": pages, "sentence": sentence},
                         ensure_ascii=False))
    print(json.dumps({language: f"{found}/{total}" for language, (found, total) in sorted(tally.items())}))
    sys.exit(any(found < total for found, total in tally.values()))


main()
