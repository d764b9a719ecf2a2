"""What is said in a video and when: who listens, what comes of it, and which words belong to which clip.

Voice activity first (what is no speech is not transcribed, where networks invent words), then words with times and the
language, then their places in the clips: a word belongs to the clip that it overlaps most, as cues of files do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from internvideo.curation.captions import owners
from internvideo.curation.language.protocol import cleaned
from internvideo.errors import InternVideoError, MissingExtra, UsageError
from internvideo.store.values import CLIP_KEY, JSON, VIDEO_KEY, OperatorSpec
from internvideo.video.sound import RATE

WORDS, SPOKEN, VERSION = "speech", "spoken", 1
WORD_COLUMNS = pa.schema(
    [
        ("start_seconds", pa.float64()),  # on the clock of the file
        ("end_seconds", pa.float64()),
        ("text", pa.string()),
        ("probability", pa.float64()),
        ("language", pa.string()),
        ("language_probability", pa.float64()),
    ]
)
SPOKEN_COLUMNS = pa.schema(
    [
        ("text", pa.string()),
        ("scale", pa.string()),
        ("origin", pa.string()),
        ("language", pa.string()),
        ("inside", pa.float64()),
        ("covers", pa.float64()),
        ("word_start", pa.list_(pa.float64())),
        ("word_end", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True)
class Word:
    """One word, or what stands for one in scripts without spaces. Seconds from the first sample that was given."""

    start: float
    end: float
    text: str  # with the space before it, if one belongs there
    probability: float = 1.0


@dataclass(frozen=True)
class Heard:
    """What is said in a stretch of sound. language: a BCP 47 tag, "" if it is not known."""

    words: tuple[Word, ...] = ()
    language: str = ""
    probability: float = 0.0  # of the language


class Transcriber(Protocol):
    """Whoever listens. `identity` names model and revision."""

    @property
    def identity(self) -> str: ...

    def voices(self, samples: np.ndarray) -> list[tuple[float, float]]:
        """Stretches with a voice in them, in seconds, ascending, apart. samples: (n,) float32, RATE a second."""
        ...

    def transcribe(self, samples: np.ndarray, language: str) -> Heard:
        """Words in order of time. language: what is spoken; "": find out."""
        ...


@dataclass(frozen=True, kw_only=True)
class SpeechRecipe:
    """model: a folder with a CTranslate2 conversion of Whisper, or a name such as `small` whose files are in the cache.

    fetch: they may be downloaded. language: what is spoken; "": find out, video by video. device, precision: as
    faster-whisper names them. over: also for videos that have a transcript in a file beside them.
    """

    model: str = ""
    fetch: bool = False
    language: str = ""
    device: str = "auto"
    precision: str = "default"
    beam: int = 5
    over: bool = False


class FasterWhisper:
    """Whisper by faster-whisper, and the voice activity detector that it brings (Silero).

    Raises MissingExtra without the extra `speech`.
    """

    def __init__(self, recipe: SpeechRecipe) -> None:
        try:
            import faster_whisper
        except ImportError as error:
            raise MissingExtra("faster-whisper", "speech") from error
        self._recipe = recipe
        if len(Path(recipe.model).parts) > 1 and not Path(recipe.model).is_dir():
            raise UsageError(
                f"there is no folder `{recipe.model}`", "name one with a CTranslate2 conversion of Whisper"
            )
        try:
            self._model: Any = faster_whisper.WhisperModel(
                recipe.model, device=recipe.device, compute_type=recipe.precision, local_files_only=not recipe.fetch
            )
        except Exception as error:  # of its own, of the hub's client, of the runtime: a folder that is none of these
            raise InternVideoError(
                f"`{recipe.model}` cannot be loaded as Whisper: {str(error).strip().splitlines()[0]}",
                "name a folder of a CTranslate2 conversion; fetch=yes downloads one by its name (small, large-v3 ...)",
            ) from error

    @property
    def identity(self) -> str:
        return f"faster-whisper {Path(self._recipe.model).name}"

    def voices(self, samples: np.ndarray) -> list[tuple[float, float]]:
        return silero_voices(samples)

    def transcribe(self, samples: np.ndarray, language: str) -> Heard:
        segments, facts = self._model.transcribe(
            samples, language=language or None, beam_size=self._recipe.beam, word_timestamps=True,
            condition_on_previous_text=False, temperature=0.0,
        )  # fmt: skip
        words = tuple(
            Word(float(word.start), float(word.end), str(word.word), float(word.probability))
            for segment in segments
            for word in segment.words or ()
        )
        return Heard(words, str(facts.language), float(facts.language_probability))


def silero_voices(samples: np.ndarray) -> list[tuple[float, float]]:
    """Stretches with a voice, by the network that faster-whisper has in its package: no download. See `Transcriber`."""
    try:
        from faster_whisper.vad import VadOptions, get_speech_timestamps
    except ImportError as error:
        raise MissingExtra("faster-whisper", "speech") from error
    found = get_speech_timestamps(samples, VadOptions(min_silence_duration_ms=500, speech_pad_ms=200))
    return [(one["start"] / RATE, one["end"] / RATE) for one in found]


def listen(transcriber: Transcriber, samples: np.ndarray, start: float, language: str) -> list[dict[str, Any]]:
    """Rows of `WORD_COLUMNS`: each voice is transcribed on its own; the language is that of the surest of them.

    start: seconds of the first sample on the clock of the file.
    """
    rows: list[dict[str, Any]] = []
    surest = (0.0, language)
    for begin, end in transcriber.voices(samples):
        heard = transcriber.transcribe(samples[int(begin * RATE) : int(end * RATE)], language)
        if heard.words:
            surest = max(surest, (heard.probability, heard.language))
        for word in heard.words:
            first, last = start + begin + word.start, start + min(end, begin + word.end)
            text = word.text.strip()
            if text and first < last:
                spaced = (" " if word.text[:1].isspace() or not rows else "") + cleaned(text)
                rows.append(
                    {"start_seconds": first, "end_seconds": last, "text": spaced, "probability": word.probability}
                )
    return [{**row, "language": surest[1], "language_probability": surest[0]} for row in rows]


def specs_of(identity: str, recipe: SpeechRecipe) -> tuple[OperatorSpec, OperatorSpec]:
    """What the words, and the transcripts of clips, depend on."""
    parameters: dict[str, JSON] = {
        "model": identity,
        "language": recipe.language,
        "beam": recipe.beam,
        "precision": recipe.precision,
    }
    words, clips = pa.schema([*VIDEO_KEY, *WORD_COLUMNS]), pa.schema([*CLIP_KEY, *SPOKEN_COLUMNS])
    return (
        OperatorSpec(WORDS, VERSION, "video", parameters, words),
        OperatorSpec(SPOKEN, VERSION, "clip", parameters, clips),
    )


def spoken(
    words: Sequence[dict[str, Any]], clips: np.ndarray, time_base: Fraction, origin: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(index of a clip, values of `SPOKEN_COLUMNS`), clips in order; those without a word have none.

    clips: (N, 2) int64 ticks. inside: share of the words' time that lies in the clip; covers: share of the clip from
    its first word to its last.
    """
    base = float(time_base)
    spans = np.array(
        [[round(word[key] / base) for key in ("start_seconds", "end_seconds")] for word in words], np.int64
    ).reshape(-1, 2)
    spans[:, 1] = np.maximum(spans[:, 1], spans[:, 0] + 1)
    mine: dict[int, list[int]] = {}
    for place, owned in enumerate(owners(spans, clips)):
        for clip in owned:
            mine.setdefault(int(clip), []).append(place)
    for clip, places in sorted(mine.items()):
        start, end = (int(tick) for tick in clips[clip])
        of = spans[places]
        shared = np.minimum(of[:, 1], end) - np.maximum(of[:, 0], start)
        reach = min(end, int(of[:, 1].max())) - max(start, int(of[:, 0].min()))
        yield (
            clip,
            {
                **{"text": "".join(words[at]["text"] for at in places).strip(), "scale": "transcript"},
                **{"origin": origin, "language": words[places[0]]["language"]},
                **{"inside": float(shared.sum() / (of[:, 1] - of[:, 0]).sum()), "covers": reach / (end - start)},
                "word_start": [words[at]["start_seconds"] for at in places],
                "word_end": [words[at]["end_seconds"] for at in places],
            },
        )
