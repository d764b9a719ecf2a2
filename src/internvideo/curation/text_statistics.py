"""What can be counted in a piece of text without knowing its language.

Words, sentences and languages are guesses from characters alone; no dictionary, no model.
"""

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import TypedDict

LONGEST_PHRASE = 8  # words of a repeated phrase that are looked for
_ENDS = re.compile(r"[.!?…]+(?=[\"'”’)\]»]*(?:\s|$))|[。！？｡]+")
_JOINERS = frozenset("'’-")  # inside a word

# First word of a character's Unicode name -> ISO 15924 code; "" for scripts we have no code for.
_SCRIPTS = {
    "LATIN": "Latn", "CYRILLIC": "Cyrl", "GREEK": "Grek", "ARABIC": "Arab", "HEBREW": "Hebr", "DEVANAGARI": "Deva",
    "BENGALI": "Beng", "TAMIL": "Taml", "TELUGU": "Telu", "GUJARATI": "Gujr", "GURMUKHI": "Guru", "KANNADA": "Knda",
    "MALAYALAM": "Mlym", "ORIYA": "Orya", "SINHALA": "Sinh", "THAI": "Thai", "LAO": "Laoo", "KHMER": "Khmr",
    "MYANMAR": "Mymr", "TIBETAN": "Tibt", "GEORGIAN": "Geor", "ARMENIAN": "Armn", "ETHIOPIC": "Ethi",
    "HANGUL": "Hang", "HIRAGANA": "Hira", "KATAKANA": "Kana", "CJK": "Hani", "BOPOMOFO": "Bopo", "MONGOLIAN": "Mong",
}  # fmt: skip
# Scripts that one language uses nearly alone.
_LANGUAGES = {
    "Grek": "el", "Hebr": "he", "Beng": "bn", "Taml": "ta", "Telu": "te", "Gujr": "gu", "Guru": "pa", "Knda": "kn",
    "Mlym": "ml", "Orya": "or", "Sinh": "si", "Thai": "th", "Laoo": "lo", "Khmr": "km", "Mymr": "my", "Tibt": "bo",
    "Geor": "ka", "Armn": "hy", "Ethi": "am", "Hang": "ko", "Jpan": "ja", "Hani": "zh",
}  # fmt: skip
_UNSPACED = frozenset(["Hani", "Hira", "Kana", "Bopo", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"])


class TextStatistics(TypedDict):
    """words: see `words_of`. characters: without white space. sentences: parts between ends that hold a word.

    distinct_share: different words / words, 0 without words. repeats: how often a phrase of up to LONGEST_PHRASE words
    follows itself, at most (1: never). repeated: one word at least four or a phrase at least three times in a row.
    letters_share: letters and their marks / characters. script: ISO 15924 of most letters (Jpan: Han with kana), or "".
    language: what the script alone tells, or "".
    """

    words: int
    characters: int
    sentences: int
    distinct_share: float
    repeats: int
    repeated: bool
    letters_share: float
    script: str
    language: str


def text_statistics(text: str) -> TextStatistics:
    """Count a text."""
    words = words_of(text)
    visible = [character for character in text if not character.isspace()]
    letters = sum(unicodedata.category(character)[0] in "LM" for character in visible)
    repeats, repeated = _repeats(words)
    script = script_of(text)
    return TextStatistics(
        words=len(words),
        characters=len(visible),
        sentences=_sentences(text) if words else 0,
        distinct_share=len(set(words)) / len(words) if words else 0.0,
        repeats=repeats,
        repeated=repeated,
        letters_share=letters / len(visible) if visible else 0.0,
        script=script,
        language=_LANGUAGES.get(script, ""),
    )


def words_of(text: str) -> list[str]:
    """Runs of letters, marks and digits, lower case; each letter of a script without spaces is a word of its own.

    >>> words_of("A dog's ball, 3-D. 犬が走る")
    ['a', "dog's", 'ball', '3-d', '犬', 'が', '走', 'る']
    """
    words: list[str] = []
    run = ""
    for before, character, after in zip(" " + text, text, text[1:] + " ", strict=False):
        kind = unicodedata.category(character)[0]
        joins = character in _JOINERS and before.isalnum() and after.isalnum()
        if kind == "L" and _script(character) in _UNSPACED:
            words += [run, character] if run else [character]
            run = ""
        elif kind in "LN" or (run and (kind == "M" or joins)):
            run += character
        elif run:
            words.append(run)
            run = ""
    return [word.lower() for word in ([*words, run] if run else words)]


def script_of(text: str) -> str:
    """The script of most letters; with any kana, Han counts as Japanese. Ties: the first in alphabetical order."""
    counts = Counter(script for character in text if (script := _script(character)))
    kana = counts.pop("Hira", 0) + counts.pop("Kana", 0)
    if kana:
        counts["Jpan"] = kana + counts.pop("Hani", 0)
    return min(counts, key=lambda script: (-counts[script], script), default="")


@lru_cache(maxsize=1 << 16)
def _script(character: str) -> str:
    if not character.isalpha():
        return ""
    return _SCRIPTS.get(unicodedata.name(character, "").split(" ")[0], "")


def _sentences(text: str) -> int:
    return sum(any(character.isalnum() for character in part) for part in _ENDS.split(text))


def _repeats(words: list[str]) -> tuple[int, bool]:
    """How often a phrase follows itself, at most; and whether that is more than speech does."""
    most, repeated = min(1, len(words)), False
    for length in range(1, min(LONGEST_PHRASE, len(words) // 2) + 1):
        run = longest = 0
        for one, other in zip(words, words[length:], strict=False):
            run = run + 1 if one == other else 0
            longest = max(longest, run)
        times = 1 + longest // length
        most = max(most, times)
        repeated = repeated or times >= (4 if length == 1 else 3)
    return most, repeated
