"""Text to token ids and back: the byte-pair tokenizer of CLIP.

Strings in, numpy arrays out: no torch. The merges table lies beside this file (see its NOTICE). All models of the
package that read text use this vocabulary; they differ in the length of their context and in what they do with longer
texts.
"""

import gzip
import heapq
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import islice, pairwise
from typing import Literal

import numpy as np
import regex

from internvideo.errors import UsageError
from internvideo.text.cleaning import normalise

START, END = "<|startoftext|>", "<|endoftext|>"
MERGES_FILE = "bpe_simple_vocab_16e6.txt.gz"
NUM_MERGES = 48_894  # the file has more; vocabulary = 2 * 256 bytes + merges + 2 special tokens = 49,408
END_OF_WORD = "</w>"

# Special tokens, English contractions, runs of letters, single digits, runs of other visible characters.
PIECES = regex.compile(
    regex.escape(START) + "|" + regex.escape(END) + r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    regex.IGNORECASE,
)

Overlong = Literal["truncate", "raise"]


class Tokenizer:
    """Ids of CLIP's vocabulary. Texts are normalised first; the special tokens are understood when spelled out."""

    def __init__(self) -> None:
        merges = _read_merges()
        letters = list(_byte_letters().values())
        joined = [first + second for first, second in merges]
        words = [*letters, *(letter + END_OF_WORD for letter in letters), *joined, START, END]
        self._id = {word: number for number, word in enumerate(words)}
        self._word = words
        self._rank = {pair: rank for rank, pair in enumerate(merges)}
        self._byte_of = {letter: byte for byte, letter in _byte_letters().items()}
        self._letter_of = _byte_letters()
        self.start, self.end = self._id[START], self._id[END]
        self._ids_of_piece = lru_cache(maxsize=65_536)(self._encode_piece)

    def __len__(self) -> int:
        """Size of the vocabulary."""
        return len(self._word)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without start and end token."""
        return [number for piece in PIECES.findall(normalise(text)) for number in self._ids_of_piece(piece)]

    def unknown(self, text: str) -> list[str]:
        """Words that are left out: none, every text is made of bytes."""
        return []

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids: lower case, a space after each word; bytes that are not UTF-8 become U+FFFD."""
        letters = "".join(self._word[number] for number in ids)
        return bytes(self._byte_of[letter] for letter in letters).decode("utf-8", "replace").replace(END_OF_WORD, " ")

    def __call__(self, texts: Sequence[str], context: int, overlong: Overlong = "truncate") -> np.ndarray:
        """Token ids of each text between start and end token: (B, context) int64, zero padded.

        overlong: what to do with a text of more tokens than fit. "truncate" (ViCLIP) cuts it and puts the end token
        into the last place; "raise" (InternVideo-MM) is a UsageError.
        """
        rows = np.zeros((len(texts), context), np.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = [self.start, *self.encode(text), self.end]
            if len(ids) > context:
                if overlong == "raise":
                    raise UsageError(
                        f"a text has {len(ids)} tokens but the model reads {context}: {text[:60]!r} ...",
                        'shorten it, or pass overlong="truncate" to drop what does not fit',
                    )
                ids = [*ids[: context - 1], self.end]
            row[: len(ids)] = ids
        return rows

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        if piece in (START, END):
            return (self._id[piece],)
        letters = [self._letter_of[byte] for byte in piece.encode("utf-8")]
        letters[-1] += END_OF_WORD
        return tuple(self._id[symbol] for symbol in self._merge(letters))

    def _merge(self, symbols: list[str]) -> list[str]:
        """Join neighbours, always the pair that ranks first, everywhere from left to right, until none is known.

        A heap of (rank, position) over a linked list keeps a word of n letters at n log n steps. Pairs that arise
        while one rank is being joined wait for the next round, even if they rank before it.
        """
        after = [*range(1, len(symbols)), -1]
        before = list(range(-1, len(symbols) - 1))
        symbols = list(symbols)  # "" once joined into a neighbour
        queue = [(self._rank[pair], i) for i, pair in enumerate(pairwise(symbols)) if pair in self._rank]
        heapq.heapify(queue)
        while queue:
            rank, joined = queue[0][0], []
            while queue and queue[0][0] == rank:
                left = heapq.heappop(queue)[1]
                right = after[left]
                if right < 0 or self._rank.get((symbols[left], symbols[right])) != rank:
                    continue  # one of the two was joined elsewhere
                symbols[left] += symbols[right]
                symbols[right] = ""
                after[left], after[right] = after[right], -1
                if after[left] >= 0:
                    before[after[left]] = left
                joined.append(left)
            for pair in {(before[left], left) for left in joined} | {(left, after[left]) for left in joined}:
                new_rank = self._rank.get((symbols[pair[0]], symbols[pair[1]])) if min(pair) >= 0 else None
                if new_rank is not None:
                    heapq.heappush(queue, (new_rank, pair[0]))
        return [symbol for symbol in symbols if symbol]


def padding(ids: np.ndarray, end: int) -> np.ndarray:
    """True where a row of ids is padding, behind its last end token: (B, L) integers -> (B, L) bool."""
    behind = np.cumsum((ids == end)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(behind == 0)


@lru_cache(maxsize=1)
def tokenizer() -> Tokenizer:
    """The one vocabulary, read once (about 0.1 s)."""
    return Tokenizer()


def _read_merges() -> list[tuple[str, str]]:
    """The first NUM_MERGES merges in order of rank."""
    packed = files("internvideo.text").joinpath(MERGES_FILE)
    with packed.open("rb") as raw, gzip.open(raw, "rt", encoding="utf-8") as lines:
        pairs = [line.split() for line in islice(lines, 1, 1 + NUM_MERGES)]
    return [(first, second) for first, second in pairs]


@lru_cache(maxsize=1)
def _byte_letters() -> dict[int, str]:
    """GPT-2's visible stand-in for each byte, in the order of the vocabulary: printable bytes stand for themselves."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}
