"""What is asked of a model that writes text, what comes back, and what it costs. Knows no network and no files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from internvideo.errors import InternVideoError

LONGEST = 4_000  # characters that are kept of an answer: pictures may tell a model to write without end


class AnswerError(InternVideoError):
    """A model gave no answer that can be used."""

    kind = "answer"


class EndpointDown(AnswerError):
    """Nobody answers, or only errors that may pass: the next run asks again."""

    kind = "network"


class EndpointRefuses(AnswerError):
    """The endpoint will answer nothing: wrong key, unknown model, no such address."""

    kind = "endpoint"


class RequestRejected(AnswerError):
    """The endpoint answers others, but not this request: too large, or not to its liking."""

    kind = "rejected"


class BudgetSpent(AnswerError):
    """The next request could cost more than is left."""

    kind = "budget"


@dataclass(frozen=True)
class Request:
    """One question. Equal requests to the same model have the same key, and are asked once.

    images: (H, W, 3) uint8 RGB each, in order of time. schema: a JSON schema that the answer must follow; then `text`
    of the answer is JSON. tokens: of the answer at most.
    """

    prompt: str
    images: tuple[np.ndarray, ...] = ()
    schema: Mapping[str, Any] | None = None
    tokens: int = 200
    about: str = ""  # the video that it is about: no part of the key

    def key(self, model: str) -> str:
        """SHA-256 in hex of everything that the answer depends on. model: its name and revision."""
        digest = hashlib.sha256()
        said = {"model": model, "prompt": self.prompt, "schema": self.schema, "tokens": self.tokens}
        digest.update(json.dumps(said, sort_keys=True).encode("ascii"))
        for image in self.images:
            digest.update(f"{image.shape}".encode("ascii") + np.ascontiguousarray(image).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Answer:
    """text: None if the model refused or wrote nothing usable; `finish` says why: stop, length, refused, invalid."""

    text: str | None
    finish: str = "stop"
    prompt_tokens: int = 0
    answer_tokens: int = 0
    model: str = ""  # as it names itself

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.answer_tokens


class LanguageModel(Protocol):
    """Anything that answers. `identity` names model and revision: it is part of every key and fingerprint."""

    @property
    def identity(self) -> str: ...

    async def ask(self, request: Request) -> Answer:
        """Raises an AnswerError: what came is no answer, and is not kept."""
        ...

    async def close(self) -> None:
        """Nothing more will be asked."""


@dataclass
class Budget:
    """Tokens and money that may be spent in all, and what is spent. Prices are per million tokens."""

    tokens: int | None = None
    money: float | None = None
    prompt_price: float = 0.0
    answer_price: float = 0.0
    spent_tokens: int = 0
    spent_money: float = 0.0
    reserved_tokens: int = field(default=0, repr=False)
    reserved_money: float = field(default=0.0, repr=False)

    def reserve(self, prompt_tokens: int, answer_tokens: int) -> tuple[int, float]:
        """Set aside the most that a request can cost; give it to `settle`. Raises BudgetSpent if it is not there."""
        cost = prompt_tokens + answer_tokens, self.price(prompt_tokens, answer_tokens)
        for limit, spent, reserved, more, unit in (
            (self.tokens, self.spent_tokens, self.reserved_tokens, cost[0], "tokens"),
            (self.money, self.spent_money, self.reserved_money, cost[1], "of money"),
        ):
            if limit is not None and spent + reserved + more > limit:
                raise BudgetSpent(
                    f"{spent:,.6g} {unit} of {limit:,.6g} are spent, and the next request may take {more:,.6g}",
                    "raise the budget; what has been answered is kept and not asked again",
                )
        self.reserved_tokens += cost[0]
        self.reserved_money += cost[1]
        return cost

    def settle(self, reserved: tuple[int, float], answer: Answer | None) -> None:
        """Give back what was set aside, and take what the answer really cost."""
        self.reserved_tokens -= reserved[0]
        self.reserved_money -= reserved[1]
        if answer is not None:
            self.spend(answer)

    def spend(self, answer: Answer) -> None:
        """Count an answer, from now or from an earlier run."""
        self.spent_tokens += answer.tokens
        self.spent_money += self.price(answer.prompt_tokens, answer.answer_tokens)

    def price(self, prompt_tokens: int, answer_tokens: int) -> float:
        return (prompt_tokens * self.prompt_price + answer_tokens * self.answer_price) / 1e6


def cleaned(text: str) -> str:
    """An answer as plain data: one line, no control characters, at most `LONGEST` characters.

    >>> cleaned("  a dog\\n runs\\x07 ")
    'a dog runs'
    """
    visible = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(visible.split())[:LONGEST].rstrip()


def json_inside(text: str) -> dict[str, Any] | None:
    """The JSON object that an answer is, or that stands in it between other words; None if there is none.

    >>> json_inside('Sure! {"caption": "a dog"} I hope this helps')
    {'caption': 'a dog'}
    """
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1]) if 0 <= start < end else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
