"""How text is cleaned before it is cut into tokens.

Strings in, strings out; knows no vocabulary. `normalise` belongs to the tokenizer and always runs; `clean_caption` is
what ViCLIP's training and evaluation do to captions and prompts before that (its demo does not).
"""

import html

import ftfy
import regex

SPACES = regex.compile(r"\s+")
REMOVED = str.maketrans("", "", ",.'!?\"()*#:;~")
SPACED = str.maketrans("-/", "  ")


def normalise(text: str) -> str:
    """Mend broken encodings, resolve HTML entities (also doubly escaped ones), single spaces, lower case.

    Source: the tokenizer of CLIP.

    >>> normalise("  Salt &amp;amp; pepper\\n")
    'salt & pepper'
    """
    mended = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return str(SPACES.sub(" ", mended)).strip().lower()


def clean_caption(text: str) -> str:
    """ViCLIP's caption clean-up: lower case, no punctuation, hyphens and slashes as spaces, single spaces.

    >>> clean_caption("It's a <person>'s well-known Tick/Tock, no?")
    'its a persons well known tick tock no'
    """
    bare = text.lower().translate(REMOVED).translate(SPACED).replace("<person>", "person")
    return str(SPACES.sub(" ", bare)).strip()
