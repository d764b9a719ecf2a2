"""A model behind an OpenAI-compatible address: vLLM, SGLang, Ollama, llama.cpp, or a hosted one.

The chat-completions protocol with pictures as data URLs. Requests run side by side; errors that may pass are tried
again with growing, random pauses; what a picture or an answer says is data and never an instruction.
"""

import asyncio
import base64
import io
import json
import os
import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from internvideo.curation.language.local import LocalConfig
from internvideo.curation.language.protocol import (
    Answer,
    AnswerError,
    Budget,
    EndpointDown,
    EndpointRefuses,
    Request,
    RequestRejected,
    cleaned,
    json_inside,
)
from internvideo.errors import MissingExtra

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})  # worth another try
MOST_BYTES = 4 << 20  # of an answer
IMAGE_TOKENS = 1_500  # what a picture may cost at most, where nobody has said it
INVALID = 2  # times an answer that does not follow the schema is asked for again


@dataclass(frozen=True, kw_only=True)
class EndpointConfig:
    """url: up to `/v1`. key: the environment variable that holds the key. in_flight: requests at once."""

    url: str
    model: str
    revision: str = ""  # of the weights, where the server does not say it: part of the identity
    key: str = "OPENAI_API_KEY"
    in_flight: int = 16
    tries: int = 6
    timeout: float = 120.0  # seconds without a byte
    longest_pause: float = 60.0  # seconds
    quality: int = 85  # of JPEG pictures


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Who is asked, and what may be spent on it in all: money in the unit of the prices, per million tokens.

    Recipes of everything that asks a language model begin with this. Off while nobody is named: neither an address nor
    a model in this process.
    """

    endpoint: EndpointConfig = field(default_factory=lambda: EndpointConfig(url="", model=""))
    local: LocalConfig = field(default_factory=LocalConfig)
    token_budget: int | None = None
    money_budget: float | None = None
    prompt_price: float = 0.0
    answer_price: float = 0.0

    @property
    def on(self) -> bool:
        return bool(self.endpoint.url or self.local.model)

    @property
    def at_once(self) -> int:
        """How many questions may wait for an answer."""
        return self.endpoint.in_flight if self.endpoint.url else 2

    def budget(self) -> Budget:
        """With nothing spent yet."""
        return Budget(self.token_budget, self.money_budget, self.prompt_price, self.answer_price)


@dataclass
class Counts:
    """What happened: requests answered, tries that failed, by status or class of error."""

    answered: int = 0
    retried: dict[str, int] = field(default_factory=dict)

    def retry(self, why: str) -> None:
        self.retried[why] = self.retried.get(why, 0) + 1


class Endpoint:
    """Raises MissingExtra when made without the extra `caption`."""

    def __init__(self, config: EndpointConfig, budget: Budget | None = None) -> None:
        try:
            import httpx2
        except ImportError as error:
            raise MissingExtra("httpx2", "caption") from error
        self.config, self.budget, self.counts = config, budget or Budget(), Counts()
        self._http = httpx2
        secret = os.environ.get(config.key, "")
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
            timeout=httpx2.Timeout(config.timeout, pool=None),
            limits=httpx2.Limits(max_connections=config.in_flight, max_keepalive_connections=config.in_flight),
        )
        self._free = asyncio.Semaphore(config.in_flight)

    @property
    def identity(self) -> str:
        return f"{self.config.model}@{self.config.revision}" if self.config.revision else self.config.model

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.aclose()

    async def ask(self, request: Request) -> Answer:
        """Answer one request; waits while `in_flight` others are under way."""
        body = self._body(request)
        async with self._free:
            words = len(request.prompt) // 2 + 64  # tokens of a prompt are fewer than half its characters
            reserved = self.budget.reserve(words + IMAGE_TOKENS * len(request.images), request.tokens)
            answer: Answer | None = None
            try:
                answer = await self._answered(request, body)
            finally:
                self.budget.settle(reserved, answer)
        self.counts.answered += 1
        return answer

    async def _answered(self, request: Request, body: dict[str, Any]) -> Answer:
        spent = Answer("")
        for _ in range(INVALID + 1):
            answer = _parsed(await self._posted(body), request)
            spent = Answer(
                answer.text,
                answer.finish,
                spent.prompt_tokens + answer.prompt_tokens,
                spent.answer_tokens + answer.answer_tokens,
                answer.model,
            )
            if answer.finish != "invalid":
                break
            self.counts.retry("invalid")
        return spent

    async def _posted(self, body: dict[str, Any]) -> dict[str, Any]:
        """The reply as JSON, after as many tries as are allowed."""
        why = ""
        for attempt in range(self.config.tries):
            try:
                return await self._post(body)
            except _Passing as passing:
                why = passing.why
                self.counts.retry(why.split(":")[0])
                wait = min(self.config.longest_pause, 2.0**attempt)
                await asyncio.sleep(passing.after if passing.after is not None else random.uniform(0, wait))
        raise EndpointDown(
            f"{self.config.url} gave no answer in {self.config.tries} tries; the last: {why}",
            "the next run asks again; what was answered is kept",
        )

    async def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        url = self.config.url.rstrip("/") + "/chat/completions"
        try:
            async with self._client.stream("POST", url, json=body) as response:
                data = await _bounded(response)
        except self._http.InvalidURL as error:
            raise EndpointRefuses(f"`{self.config.url}` is no address", "write http://host:port/v1") from error
        except self._http.UnsupportedProtocol as error:
            raise EndpointRefuses(f"`{self.config.url}` is no address", "write http://host:port/v1") from error
        except self._http.HTTPError as error:
            raise _Passing(f"{type(error).__name__}: {error}"[:200]) from error
        if response.status_code in PASSING:
            raise _Passing(f"status {response.status_code}", _pause(response.headers.get("retry-after"), self.config))
        if response.status_code != 200:
            raise self._refusal(response.status_code, data)
        try:
            reply = json.loads(data)
        except ValueError as error:
            raise _Passing("half an answer") from error
        if not isinstance(reply, dict) or not reply.get("choices"):
            raise _Passing("an answer without choices")
        return reply

    def _refusal(self, status: int, data: bytes) -> AnswerError:
        said = cleaned(data.decode("utf-8", "replace"))[:300]
        hints = {
            401: f"put the key into the environment variable {self.config.key}",
            403: f"put a key that may use this model into the environment variable {self.config.key}",
            404: f"does {self.config.url} end in /v1, and does it serve `{self.config.model}`?",
        }
        kind = EndpointRefuses if status in hints else RequestRejected
        return kind(
            f"{self.config.url} refuses `{self.config.model}` with status {status}: {said}",
            hints.get(status, "the text above is the endpoint's own"),
        )

    def _body(self, request: Request) -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "text", "text": request.prompt}]
        content += [{"type": "image_url", "image_url": {"url": self._picture(image)}} for image in request.images]
        body: dict[str, Any] = {
            "model": self.config.model,
            "messages": [{"role": "user", "content": content if request.images else request.prompt}],
            "max_tokens": request.tokens,
            "temperature": 0,
            "seed": 0,
        }
        if request.schema is not None:
            form = {"name": "answer", "schema": dict(request.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def _picture(self, image: np.ndarray) -> str:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=self.config.quality)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


class _Passing(Exception):
    """Worth another try, after so many seconds if the endpoint said it."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.why, self.after = why, after


async def _bounded(response: Any) -> bytes:
    data = bytearray()
    async for block in response.aiter_bytes():
        data += block
        if len(data) > MOST_BYTES:
            raise _Passing(f"an answer of more than {MOST_BYTES:,} bytes")
    return bytes(data)


def _pause(text: str | None, config: EndpointConfig) -> float | None:
    """Seconds of a Retry-After header, if it says seconds."""
    try:
        return min(max(float(text), 0.0), config.longest_pause) if text else None
    except ValueError:
        return None


def _parsed(reply: dict[str, Any], request: Request) -> Answer:
    choice = reply["choices"][0]
    message = choice.get("message") or {}
    usage = reply.get("usage") or {}
    counted = (int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0), str(reply.get("model")))
    text, finish = message.get("content"), str(choice.get("finish_reason") or "stop")
    if message.get("refusal") or finish == "content_filter" or not isinstance(text, str) or not text.strip():
        return Answer(None, "refused", *counted)
    if request.schema is None:
        return Answer(cleaned(text), finish, *counted)
    found = json_inside(text)
    if found is None or not set(request.schema.get("required", ())) <= found.keys():
        return Answer(None, "invalid", *counted)
    return Answer(json.dumps(found, ensure_ascii=False), finish, *counted)
