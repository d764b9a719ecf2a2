"""What the end of a file name says: which suffixes make a file a sidecar of a video, and in which language."""

import posixpath
import re
from functools import lru_cache

from internvideo.curation.scan import SUFFIXES as VIDEO_SUFFIXES

FOLDER_LISTS = frozenset(
    [f"captions.{kind}" for kind in ("jsonl", "json", "csv", "tsv", "parquet")]
    + [f"metadata.{kind}" for kind in ("jsonl", "csv", "parquet")]
    + ["labels.json"]  # of FiftyOne
)
FOLDER_ROWS = ".list.captions.jsonl"  # the suffix under which rows of a folder's list travel

# ISO 639-1, then the ISO 639-2 codes that subtitle files use.
_CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee
    el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is
    it iu iw ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr
    ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si
    sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh
    yi yo za zh zu ara bul cat ces chi cze dan deu dut ell eng est fas fil fin fra fre ger gre heb hin hrv hun
    ind ita jpn kor lit lav may msa nld nor per pol por ron rum rus slk slo slv spa srp swe tam tel tha tur ukr
    urd vie yue zho
"""
_LANGUAGES = frozenset(_CODES.split())
_FLAGS = frozenset(["forced", "sdh", "cc", "default", "auto"])  # words that media servers put beside the language
_TAG = re.compile(r"([A-Za-z]{2,3})((?:[-_][A-Za-z0-9]{2,8})*)", re.ASCII)
_SUFFIX = re.compile(
    r"(?P<captions>\.captions)?(?P<tags>(?:\.[A-Za-z0-9_-]+)*?)\.(?P<subtitles>srt|vtt)"
    r"|(?:\.list)?\.captions(?P<table_tags>(?:\.[A-Za-z0-9_-]+)*?)\.(?P<table>jsonl|json|csv|tsv|parquet)"
    r"|\.(?P<other>info\.json|txt)",
    re.IGNORECASE,
)


def sidecar_suffixes() -> tuple[str, ...]:
    """What may follow the stem of a video (a language tag apart)."""
    tables = [f".captions.{kind}" for kind in ("jsonl", "json", "csv", "tsv", "parquet", "srt", "vtt")]
    return (".srt", ".vtt", ".txt", ".info.json", *tables)


@lru_cache(maxsize=4096)
def kind_of(suffix: str) -> tuple[str, str] | None:
    """(`transcript`, `cues`, `table`, `text` or `info`; language or "") of a sidecar suffix; None if it is not one.

    >>> kind_of(".en-US.vtt"), kind_of(".mp4.srt"), kind_of(".part2.srt")
    (('transcript', 'en-US'), ('transcript', ''), None)
    """
    first, dot, rest = suffix[1:].partition(".")
    if dot and is_video(f"_.{first}"):
        suffix = f".{rest}"
    match = _SUFFIX.fullmatch(suffix)
    if match is None:
        return None
    if match["other"]:
        return ("text" if match["other"].lower() == "txt" else "info"), ""
    tags = (match["tags"] or match["table_tags"] or "").split(".")[1:]
    languages = [tag.replace("_", "-") for tag in tags if _is_language(tag)]
    if len(languages) > 1 or any(tag.lower() not in _FLAGS and not _is_language(tag) for tag in tags):
        return None
    language = languages[0] if languages else ""
    if match["table"]:
        return "table", language
    return ("cues" if match["captions"] else "transcript"), language


def _is_language(tag: str) -> bool:
    match = _TAG.fullmatch(tag)
    return match is not None and match[1].lower() in _LANGUAGES


def is_video(name: str) -> bool:
    """By its suffix alone."""
    return posixpath.splitext(name)[1].lower().encode("utf-8", "surrogateescape") in VIDEO_SUFFIXES
