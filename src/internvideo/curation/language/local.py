"""A model of the Hugging Face kind in this process: an image captioner, a chat model that sees, or one that only reads.

Weights are safetensors, code that comes with a model is never run, and nothing is downloaded unless that is asked for.
An image captioner (BLIP and its like) looks at one picture and reads no question; chat models are asked as endpoints
are, with the form of the answer written into the question.
"""

import asyncio
import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from internvideo.curation.language.protocol import (
    Answer,
    EndpointRefuses,
    Request,
    RequestRejected,
    cleaned,
    json_inside,
)
from internvideo.errors import MissingExtra


@dataclass(frozen=True, kw_only=True)
class LocalConfig:
    """model: a folder, or the name of one in the hub's cache. fetch: it may be downloaded. device: a name of torch."""

    model: str = ""
    revision: str = ""
    fetch: bool = False
    device: str = ""
    beams: int = 1


class HuggingFace:
    """Raises MissingExtra without the extra `caption`, EndpointRefuses for a model that cannot be loaded."""

    def __init__(self, config: LocalConfig) -> None:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MissingExtra("transformers", "caption") from error
        self.config, self._torch = config, torch
        self._busy = threading.Lock()
        options: dict[str, Any] = {"local_files_only": not config.fetch, "trust_remote_code": False}
        options |= {"revision": config.revision} if config.revision else {}
        try:
            found = transformers.AutoConfig.from_pretrained(config.model, **options)
            sees = type(found) in transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
            kind = transformers.AutoModelForImageTextToText if sees else transformers.AutoModelForCausalLM
            reader = transformers.AutoProcessor if sees else transformers.AutoTokenizer
            self._model: Any = kind.from_pretrained(config.model, use_safetensors=True, **options)
            self._processor: Any = reader.from_pretrained(config.model, **options)
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise EndpointRefuses(
                f"`{config.model}` cannot be loaded: {first}",
                "name a folder with config.json and safetensors; local.fetch=yes may download one by its name",
            ) from error
        self._sees, self._identity = sees, _identity_of(config)  # once: it reads all weights
        self._talks = bool(getattr(self._processor, "chat_template", None))
        self._model.train(False).to(config.device or ("cuda" if torch.cuda.is_available() else "cpu"))

    @property
    def identity(self) -> str:
        """Name and revision; of a folder, its last part and a hash of its configuration and weights."""
        return self._identity

    async def ask(self, request: Request) -> Answer:
        """Answers one after the other: the machine is busy with one."""
        return await asyncio.to_thread(self._one_at_a_time, request)

    async def close(self) -> None:
        """Nothing to give back before the process ends."""

    def _one_at_a_time(self, request: Request) -> Answer:
        with self._busy:
            return self._answer(request)

    def _answer(self, request: Request) -> Answer:
        inputs = self._inputs(request)
        asked = int(inputs["input_ids"].shape[1]) if "input_ids" in inputs else 0
        inputs = {name: tensor.to(self._model.device) for name, tensor in inputs.items()}
        with self._torch.inference_mode():
            ids = self._model.generate(
                **inputs, max_new_tokens=request.tokens, do_sample=False, num_beams=self.config.beams
            )[0]
        said = ids[asked:] if self._talks or not self._sees else ids
        text = cleaned(self._processor.decode(said, skip_special_tokens=True))
        finish = "length" if len(said) >= request.tokens else "stop"
        counted = asked, len(said), self.config.model
        if not text:
            return Answer(None, "refused", *counted)
        if request.schema is None or not self._talks:
            return Answer(text, finish, *counted)
        found = json_inside(text)
        if found is None or not set(request.schema.get("required", ())) <= found.keys():
            return Answer(None, "invalid", *counted)
        return Answer(json.dumps(found, ensure_ascii=False), finish, *counted)

    def _inputs(self, request: Request) -> dict[str, Any]:
        """Tensors by name. Raises RequestRejected for a question that this kind of model does not understand."""
        pictures = [_picture(image) for image in request.images]
        if not self._talks:
            if self._sees and len(pictures) == 1:
                return dict(self._processor(images=pictures, return_tensors="pt"))
            raise RequestRejected(
                f"`{self.config.model}` describes single pictures and reads no questions",
                "captioning.scales=coarse,fine captioning.merger=rules needs no more",
            )
        if pictures and not self._sees:
            raise RequestRejected(f"`{self.config.model}` sees no pictures", "name a model that does")
        asked = request.prompt
        if request.schema is not None:
            asked += f"\n\nAnswer with JSON of this schema and nothing else: {json.dumps(request.schema)}"
        content: Any = [*({"type": "image", "image": one} for one in pictures), {"type": "text", "text": asked}]
        talk = [{"role": "user", "content": content if self._sees else asked}]
        return dict(
            self._processor.apply_chat_template(
                talk, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
        )


def _picture(image: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(image)


def _identity_of(config: LocalConfig) -> str:
    folder = Path(config.model)
    if not folder.is_dir():
        return f"{config.model}@{config.revision}" if config.revision else config.model
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{folder.resolve().name}@{digest.hexdigest()[:12]}"
