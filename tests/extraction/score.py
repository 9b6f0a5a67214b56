"""Recall and precision of letter bigrams: how much of the truth came out, and how much of what came out is true.

Text is brought to NFKC and lower case, and everything but letters and digits is dropped. So line ends, spaces and
markup count for nothing, and the order of the text counts where letters meet.
"""

import re
import unicodedata
from collections import Counter


def letters(text):
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).lower())


def bigrams(text):
    text = letters(text)
    return Counter(text[i : i + 2] for i in range(len(text) - 1))


def score(truth, text):
    """(recall, precision) of `text`; both 1.0 when neither holds a bigram."""
    return compare(bigrams(truth), bigrams(text))


def cell_score(truth, text):
    """As `score`, for tables: no bigram crosses the border of a cell, and that border counts as a letter of both sides.

    So it does not matter in which order and how far apart the cells of a sheet are written down.
    """
    return compare(cell_bigrams(truth), cell_bigrams(text))


def cell_bigrams(text):
    pairs = Counter()
    for cell in filter(None, map(letters, re.split(r"[|\t\n]", text))):
        cell = f"|{cell}|"
        pairs.update(cell[i : i + 2] for i in range(len(cell) - 1))
    return pairs


def foreign_score(truth, text):
    """(recall, precision) of the letters outside ASCII: only these tell one encoding from another.

    Single letters, because those that meet in the text of a page had markup between them in the file.
    """
    return compare(*(Counter(letter for letter in letters(side) if not letter.isascii()) for side in (truth, text)))


def compare(wanted, found):
    common = sum(min(n, found[pair]) for pair, n in wanted.items() if pair in found)
    return share(common, sum(wanted.values())), share(common, sum(found.values()))


def share(part, whole):
    return part / whole if whole else 1.0
