"""Text that came with a video: one piece of it, what was wrong with a file, and how bytes and times are read.

Parsers of sidecar files share this. Nothing here raises for bad content: it gives what is good and says the rest.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Scale = Literal["clip", "video", "transcript", "title"]

_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")
# The five bytes that cp1252 leaves undefined stay what latin-1 makes of them.
_CP1252 = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d{0,12})?)", re.ASCII)
_LONGEST_SECONDS = 10**9  # thirty years: more is a mistake, and would not fit ticks of a fine time base


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a sidecar file that could not be used. line: from 1; 0 for the file as a whole."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


@dataclass(frozen=True, slots=True)
class SideText:
    """One caption, one cue of a transcript, or one title.

    start, end: seconds, both given with start < end, or both None for a text about the whole video.
    start_text, end_text: the same as the file wrote them. umt_score, aesthetic_score: as InternVid's lists have them.
    """

    text: str
    start: float | None
    end: float | None
    scale: Scale
    origin: str  # suffix or name of the file that says so
    language: str = ""  # a BCP 47 tag, "" if not stated
    start_text: str = ""
    end_text: str = ""
    umt_score: float | None = None
    aesthetic_score: float | None = None


def decode_text(data: bytes, file: str) -> tuple[str, list[Problem]]:
    """Bytes of a text file as text with `\\n` line ends; and a warning where the encoding had to be guessed.

    A byte-order mark decides; else UTF-8; else UTF-8 with single damaged characters; else cp1252.
    """
    problems: list[Problem] = []
    text = _decode(data, file, problems)
    return text.removeprefix("\ufeff").replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n"), problems


def _decode(data: bytes, file: str, problems: list[Problem]) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            text = data.decode(encoding, "replace")
            if "\ufffd" in text:
                problems.append(Problem(file, 0, f"damaged {encoding.upper()}: some characters are lost"))
            return text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    text = data.decode("utf-8", "replace")
    lost = text.count("\ufffd")
    if sum(character > "\x7f" for character in text) - lost > lost:
        problems.append(Problem(file, line, f"damaged UTF-8: {lost} characters are lost"))
        return text
    problems.append(Problem(file, line, "not UTF-8: read as cp1252 (Western European); save it as UTF-8 to be sure"))
    return data.decode("latin-1").translate(_CP1252)


def tidy(text: str) -> str:
    """One line, single spaces, no control characters, and nothing that UTF-8 cannot hold.

    >>> tidy(" two\\n\\x00 lines ")
    'two lines'
    """
    return " ".join(text.translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8").split())


def parse_seconds(value: object) -> float | None:
    """Seconds from a number, or from text: `12.5`, `MM:SS.mmm` or `HH:MM:SS.mmm` (or a comma). None if it is none.

    >>> parse_seconds("00:01:02.500"), parse_seconds("1:02,5"), parse_seconds(62.5), parse_seconds("soon")
    (62.5, 62.5, 62.5, None)
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < _LONGEST_SECONDS else None  # so neither infinite nor NaN
    text = str(value).strip()
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = clock[1] or "0", clock[2], clock[3].replace(",", ".")
        total = int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds.removesuffix("."))
        return float(total) if total < _LONGEST_SECONDS else None
    try:
        number = float(text if "." in text else text.replace(",", ".", 1))
    except ValueError:
        return None
    return number if abs(number) < _LONGEST_SECONDS else None
