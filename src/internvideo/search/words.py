"""Which moments have the words of a query in their texts: captions, transcripts, titles, names of files.

A term counts by how rare it is (Robertson and Sparck Jones' weight, as in BM25); a moment scores the share of the
query's weight that its texts cover, between 0 and 1: so a word that no text has weighs on every answer. A moment is
given by its row; what it is, others know.
"""

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import regex

TOKEN = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]+|[\p{L}\p{M}\p{N}]+")
ASCII = regex.compile(r"[a-z0-9]+")
UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")
ENDINGS = ("ing", "ed", "es", "s", "e")
PHRASE = 0.15  # of the score: how many neighbouring terms of the query are neighbours in the text
COMMON = 5_000  # moments from which on a term is remembered


def terms(text: str) -> list[str]:
    """Terms in order. Common English endings are taken off; scripts without spaces give pairs of characters.

    >>> terms("Dogs catching a Frisbee!"), terms("红色圆形")
    (['dog', 'catch', 'a', 'frisbe'], ['红色', '色圆', '圆形'])
    """
    if text.isascii():
        return [_stem(token) for token in ASCII.findall(text.lower())]  # the same, with fewer steps
    found: list[str] = []
    for token in TOKEN.findall(unicodedata.normalize("NFKC", text).casefold()):
        if UNSPACED.match(token):
            found += [token[at : at + 2] for at in range(max(1, len(token) - 1))]
        else:
            found.append(_stem(token))
    return found


@lru_cache(1 << 16)
def _stem(token: str) -> str:
    for ending in ENDINGS:
        if token.endswith(ending) and len(token) - len(ending) >= 3 and not token.endswith("ss"):
            return token[: -len(ending)]
    return token


@dataclass(frozen=True)
class Text:
    """One text and the moments that it belongs to. weight: how much a word in it says about them, in (0, 1]."""

    text: str
    rows: np.ndarray  # (n,) int64
    weight: float


@dataclass(frozen=True)
class Found:
    """rows: (n,) int64 moments with at least one word; scores: (n,) float64 in (0, 1]."""

    rows: np.ndarray
    scores: np.ndarray


class Words:
    """All texts of a dataset, ready to be asked. size: how many moments there are."""

    def __init__(self, texts: Iterable[Text], size: int) -> None:
        self._size = size
        self._texts = list(texts)
        places: defaultdict[str, list[int]] = defaultdict(list)
        for number, text in enumerate(self._texts):
            for term in set(terms(text.text)):
                places[term].append(number)
        self._places = {term: np.array(numbers) for term, numbers in places.items()}
        self._lengths = np.array([len(text.rows) for text in self._texts], np.int64)
        self._rows = np.concatenate([np.empty(0, np.int64), *(text.rows for text in self._texts)])
        self._weights = np.array([text.weight for text in self._texts])
        self._usual: dict[str, np.ndarray] = {}  # answers about common terms
        self._of_row: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        """How many texts there are."""
        return len(self._texts)

    def ask(self, query: str) -> Found:
        """Moments that have some of the words, in order of their rows."""
        asked = list(dict.fromkeys(terms(query)))
        score, total = np.zeros(self._size), 0.0
        for term in asked:
            has = self._has(term)
            count = int((has > 0).sum())
            rare = math.log1p((self._size - count + 0.5) / (count + 0.5))
            total += rare
            if count:
                score += rare * has
        rows = np.flatnonzero(score > 0)
        return Found(rows, score[rows] / total if total else score[rows])

    def _has(self, term: str) -> np.ndarray:
        """(size,) float64: how much each moment has of a term."""
        if term in self._usual:
            return self._usual[term]
        has = np.zeros(self._size)
        numbers = self._places.get(term, np.empty(0, np.int64))
        lengths = self._lengths[numbers]
        first = (np.cumsum(self._lengths) - self._lengths)[numbers]
        places = np.repeat(first - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        np.maximum.at(has, self._rows[places], np.repeat(self._weights[numbers], lengths))
        if len(places) > COMMON:
            self._usual[term] = has
        return has

    def of(self, row: int) -> list[Text]:
        """The texts of a moment, the weightiest first."""
        if self._of_row is None:
            numbers = np.repeat(np.arange(len(self._texts)), self._lengths)
            order = np.argsort(self._rows, kind="stable")
            self._of_row = self._rows[order], numbers[order]
        first, last = np.searchsorted(self._of_row[0], [row, row + 1])
        mine = [self._texts[number] for number in self._of_row[1][first:last]]
        return sorted(mine, key=lambda text: -text.weight)

    def order(self, query: str, row: int) -> float:
        """How far the moment has the query's words in its order, in [0, 1]: the best of its texts."""
        pairs = _pairs(terms(query))
        if not pairs:
            return 1.0
        return max((len(pairs & _pairs(terms(text.text))) / len(pairs) for text in self.of(row)), default=0.0)

    def best(self, query: str, row: int) -> tuple[str, list[str]]:
        """The text of the moment that has most of the words, and those words as they were asked for; "" for none."""
        asked = {_first(token): token for token in query.split() if _first(token)}
        best: tuple[str, list[str]] = ("", [])
        for text in self.of(row):
            held = set(terms(text.text))
            shared = [word for term, word in asked.items() if term in held]
            if len(shared) > len(best[1]) or not best[0]:
                best = text.text, shared
        return best


def _pairs(found: Sequence[str]) -> set[tuple[str, str]]:
    return set(pairwise(found))


def _first(token: str) -> str:
    found = terms(token)
    return found[0] if found else ""
