"""Transcripts of a dataset's videos by listening to them, and translations of all its transcripts."""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo.curation.clip_tables import files_of
from internvideo.curation.language.stage import is_due
from internvideo.curation.language.text_stage import Rows, TextWork, ask_about
from internvideo.curation.language.translation import NAME as TRANSLATIONS
from internvideo.curation.language.translation import (
    Line,
    TranslationRecipe,
    lines_to_translate,
    translate,
    untranslated,
)
from internvideo.curation.language.translation import spec_of as translation_spec
from internvideo.curation.speech import (
    WORDS,
    FasterWhisper,
    SpeechRecipe,
    Transcriber,
    listen,
    specs_of,
    spoken,
)
from internvideo.errors import UsageError, VideoError
from internvideo.jobs.language import ANSWERS, writing
from internvideo.jobs.talk import CountTalk, columns, note
from internvideo.store.best_caption import texts_of
from internvideo.store.dataset import Dataset
from internvideo.store.results import Failure, Result
from internvideo.store.values import SPAN_KEY, OperatorSpec
from internvideo.video.sound import read_sound

Folder = str | os.PathLike[str]


def transcribe(
    folder: Folder, recipe: SpeechRecipe, transcriber: Transcriber | None = None, *, quiet: bool = False
) -> dict[str, Any]:
    """Listen to the videos that have no transcript in a file beside them; what came of it. Commits video by video.

    transcriber: who listens; None: Whisper, as the recipe says. Raises UsageError if the recipe names no model.
    """
    dataset = Dataset(Path(folder))
    if transcriber is None:
        if not recipe.model:
            raise UsageError("no model to listen with", "--model DIR names a CTranslate2 conversion of Whisper")
        transcriber = FasterWhisper(recipe)
    told = set(dataset.rows("transcript")["video"].to_pylist()) if "transcript" in dataset.operators() else set()
    heard, failed = Counter[str](), dict[str, str]()
    with dataset.writer() as writer, CountTalk("listening", "videos") as talk:
        specs = specs_of(transcriber.identity, recipe)
        writer.register(*specs)
        audible = [one for one in _audible(dataset) if recipe.over or one.video not in told]
        due = [one for one in audible if is_due(writer, specs[1], one.video, one.input)]
        for done, one in enumerate(due, 1):
            try:
                sound = read_sound(one.path)
            except VideoError as error:
                writer.commit(one.video, [Failure(spec, one.input, error.kind, error.problem) for spec in specs])
                failed[one.video] = error.problem
                continue
            words = listen(transcriber, sound.samples, sound.start, recipe.language) if sound is not None else []
            heard["no sound" if sound is None else "speech" if words else "no speech"] += 1
            writer.commit(one.video, _results(one, words, specs, transcriber.identity))
            if not quiet:
                talk(done, len(due), one.path.name)
        writer.flush()
    words_of = dataset.rows(WORDS)
    spoken_in = set(zip(words_of["video"].to_pylist(), words_of["language"].to_pylist(), strict=True))
    return {
        "dataset": str(folder),
        "videos": dict(heard),
        "with_a_file": len(told),
        "failed": failed,
        "words": words_of.num_rows,
        "languages": dict(Counter(language for _, language in spoken_in)),
    }


@dataclass(frozen=True)
class _Audible:
    """A video that may be listened to. spans: (N, 3) int64 of stream, start, end: of all segmenters, each once."""

    video: str
    path: Path
    time_base: Fraction
    spans: np.ndarray

    @property
    def input(self) -> str:
        return hashlib.sha256(self.spans.tobytes()).hexdigest()[:16]


def _audible(dataset: Dataset) -> list[_Audible]:
    """Those with a file, a time base and clips, in order."""
    spans: dict[str, set[tuple[int, ...]]] = {}
    for name, spec in dataset.operators().items():
        if spec.segmenter:
            table = dataset.rows(name)
            for video, *key in zip(*(table[column].to_pylist() for column in SPAN_KEY.names), strict=True):
                spans.setdefault(video, set()).add(tuple(key))
    probed, files = dataset.rows("probe"), files_of(dataset)
    bases = dict(zip(probed["video"].to_pylist(), probed["time_base"].to_pylist(), strict=True))
    return [
        _Audible(video, files[video][0], Fraction(bases[video]), np.array(sorted(keys), np.int64))
        for video, keys in sorted(spans.items())
        if video in files and bases.get(video)
    ]


def _results(one: _Audible, words: list[dict[str, Any]], specs: Sequence[OperatorSpec], origin: str) -> list[Result]:
    """Rows of words, and of the clips that they belong to."""
    rows = [{"video": one.video, "item": item, **word} for item, word in enumerate(words)]
    of_clips = []
    for clip, row in spoken(words, one.spans[:, 1:], one.time_base, origin):
        stream, start, end = one.spans[clip].tolist()
        of_clips.append({"video": one.video, "stream": stream, "start": start, "end": end, "item": 0, **row})
    tables = [
        pa.Table.from_pylist(each, schema=spec.schema) for each, spec in zip((rows, of_clips), specs, strict=True)
    ]
    return [Result(spec, one.input, table) for spec, table in zip(specs, tables, strict=True)]


def say_transcribe(found: Mapping[str, Any]) -> str:
    rows = [(what, f"{count:,} videos") for what, count in sorted(found["videos"].items())]
    rows += [("have a file", f"{found['with_a_file']:,} videos")] if found["with_a_file"] else []
    rows += [(f"failed: {video[:12]}", why) for video, why in sorted(found["failed"].items())]
    rows += [("words in all", f"{found['words']:,}")]
    rows += [("languages", ", ".join(f"{name} {count:,}" for name, count in sorted(found["languages"].items())))]
    return columns(rows)


def translate_transcripts(folder: Folder, recipe: TranslationRecipe, *, quiet: bool = False) -> dict[str, Any]:
    """Have a model translate the transcripts of all clips that have none in the wanted language."""
    dataset = Dataset(Path(folder))
    texts = texts_of(dataset)
    theirs = pc.equal(texts["scale"], "transcript")
    lines = lines_to_translate(texts.filter(theirs).filter(_not_ours(dataset, texts.filter(theirs))), recipe.to)
    with dataset.writer() as writer, writing(recipe, dataset.path / "cache" / ANSWERS) as who:
        spec = translation_spec(recipe, who.model.identity)
        writer.register(spec)
        work = [TextWork(video, _digest(units), units) for video, units in sorted(lines.items())]
        work = [one for one in work if is_due(writer, spec, one.video, one.input)]
        units = sum(len(one.units) for one in work)
        if units and not quiet:
            note(who.say_cost(f"{units:,} transcripts"))

        async def answer(one: TextWork[Line], unit: Line) -> Rows:
            return await translate(who.model, recipe, one.video, unit)

        with CountTalk("translating", "clips") as talk:
            tell = (lambda *_: None) if quiet else talk
            made = ask_about(writer, spec, who.model, work, answer, at_once=recipe.at_once, tell=tell)
        writer.flush()
        if units and not quiet:
            note(who.said(f"{made.clips:,} transcripts of {made.videos:,} videos translated", made.stopped))
    rows = dataset.rows(TRANSLATIONS)
    return {
        "dataset": str(folder),
        "translated": made.clips,
        "in_all": int(pc.sum(pc.is_valid(rows["text"])).as_py() or 0),
        "failed": made.failed,
        "stopped": made.stopped,
    }


def say_translate(found: Mapping[str, Any]) -> str:
    rows = [("translated", f"{found['translated']:,} transcripts now, {found['in_all']:,} in all")]
    rows += [(f"failed: {video[:12]}", why) for video, why in sorted(found["failed"].items())]
    return columns(rows)


def _not_ours(dataset: Dataset, texts: pa.Table) -> pa.Array:
    """Which texts are no translations: those are not translated again."""
    made = dataset.rows(TRANSLATIONS)["origin"].unique().to_pylist() if TRANSLATIONS in dataset.operators() else []
    return pc.invert(pc.is_in(texts["origin"], value_set=pa.array(made, pa.string())))


def _digest(lines: list[Line]) -> str:
    return hashlib.sha256(untranslated(lines).encode("utf-8")).hexdigest()[:16]
