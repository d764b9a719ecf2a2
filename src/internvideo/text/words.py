"""Text to token ids and back, a word at a time: for networks that were trained on a small vocabulary.

The same form as `text.tokenizer`: start and end token around, zero padded, the end token is the largest id. Words that
are not in the vocabulary are left out; `unknown` says which, so that a verb can tell.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Literal, Protocol

import numpy as np
import regex

from internvideo.errors import UsageError, pick
from internvideo.text.cleaning import normalise
from internvideo.text.tokenizer import Overlong, tokenizer

PIECES = regex.compile(r"[\p{L}\p{N}]+|,")  # hyphens divide words; other punctuation says nothing

Vocabulary = Literal["clip", "moving-shapes"]
FILES = {"moving-shapes": "moving_shapes.txt"}  # one word per line, sorted


class Reader(Protocol):
    """What both kinds of vocabulary can do."""

    start: int
    end: int

    def __len__(self) -> int: ...
    def encode(self, text: str) -> list[int]: ...
    def decode(self, ids: Iterable[int]) -> str: ...
    def unknown(self, text: str) -> list[str]: ...
    def __call__(self, texts: Sequence[str], context: int, overlong: Overlong = "truncate") -> np.ndarray: ...


class Words:
    """Ids of a list of words, from 1 in their order; 0 is padding."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self._id = {word: number for number, word in enumerate(words, start=1)}
        self.start, self.end = len(words) + 1, len(words) + 2

    def __len__(self) -> int:
        """Size of the vocabulary."""
        return self.end + 1

    def encode(self, text: str) -> list[int]:
        """Ids of the known words of a text, without start and end token."""
        return [self._id[word] for word in _pieces(text) if word in self._id]

    def unknown(self, text: str) -> list[str]:
        """The words that are left out, each once.

        >>> Words(["a", "red"]).unknown("A red dog, a dog!")
        ['dog']
        """
        return [word for word in dict.fromkeys(_pieces(text)) if word not in self._id and word != ","]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; padding, start and end token are left out.

        >>> Words([",", "a", "red"]).decode([4, 2, 3, 1, 5, 0])
        'a red,'
        """
        return " ".join(self._words[i - 1] for i in ids if 0 < i < self.start).replace(" ,", ",")

    def __call__(self, texts: Sequence[str], context: int, overlong: Overlong = "truncate") -> np.ndarray:
        """Token ids of each text between start and end token: (B, context) int64, zero padded.

        overlong: "truncate" cuts what does not fit; "raise" is a UsageError.
        """
        rows = np.zeros((len(texts), context), np.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = self.encode(text)
            if len(ids) > context - 2 and overlong == "raise":
                raise UsageError(f"a text has {len(ids)} words but the model reads {context - 2}: {text[:60]!r} ...",
                                 "shorten it")  # fmt: skip
            ids = [self.start, *ids[: context - 2], self.end]
            row[: len(ids)] = ids
        return rows


@lru_cache(maxsize=8)
def vocabulary(name: str) -> Reader:
    """The vocabulary of that name, read once: "clip", or one of FILES."""
    if name == "clip":
        return tokenizer()
    text = files("internvideo.text").joinpath(pick(FILES, name, "vocabulary")).read_text("utf-8")
    return Words(text.split())


def _pieces(text: str) -> list[str]:
    return list(PIECES.findall(normalise(text)))
