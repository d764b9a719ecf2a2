"""From the lists of a recipe to what a run learns from; and `moving_shapes`, rendered where it is not yet there."""

import inspect
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from internvideo import distributed
from internvideo.config import plain
from internvideo.datasets.items import ClipRecipe
from internvideo.datasets.loader import Corpus
from internvideo.datasets.moving_shapes.listed import Drawing, DrawnScenes, Says, Twins
from internvideo.datasets.moving_shapes.world import MOTIONS, UNKNOWN_MOTIONS, Plot, Split
from internvideo.datasets.readers import READERS
from internvideo.datasets.sample import Samples, coverage, with_text
from internvideo.datasets.table import read_table
from internvideo.errors import UsageError, nearest, pick
from internvideo.jobs.talk import note
from internvideo.models.families import Card
from internvideo.records import Span
from internvideo.store.faults import shown
from internvideo.tasks.training_lists import read_question_list
from internvideo.training.recipe import CorpusRecipe, TrainRecipe

# Nothing of the result depends on these (lists are compared by what is in them).
FREE = (
    *("workers", "log_every", "logs", "save_every", "processes", "parallel", "compile", "recompute"),
    *("kept_gigabytes", "list", "root", "published", "annotations", "features", "videos", "keep"),
)

CLASSES_SHOWN = 20


def read_moving_shapes(
    path: str,
    root: str,
    *,
    clips: int = 256,
    split: Split = "train",
    size: int = 64,
    seconds: float = 1.0,
    plot: Plot | None = None,
) -> Samples:
    """The first scenes of a split with their captions, rendered as H.264 below the folder `path` if they are not there.

    size: pixels per side; seconds: length of a clip; plot: only scenes of this kind. The class is the motion of what
    moves first, numbered as in `MOTIONS`. root: not used.
    """
    folder = _rendered(Path(path), clips, split, size, seconds, plot)
    classes = (*MOTIONS, *UNKNOWN_MOTIONS)
    return read_table(folder / "clips.jsonl", folder, classes=classes, corpus=f"moving_shapes/{split}")


def draw_moving_shapes(
    path: str,
    root: str,
    *,
    clips: int = 256,
    split: Split = "train",
    size: int = 96,
    seconds: float = 3.0,
    plot: Plot | Literal[""] = "",
    twins: int = 1,
    differ: Twins = "deeds",
    says: Says = "all",
    seed: int = 0,
    motions: Sequence[str] = (),
    coded: bool = False,
    enlarged: float = 1.0,
    balanced: bool = False,
    shapes: Sequence[str] = (),
    mixed: bool = False,
) -> Samples:
    """The first scenes of a `Drawing`, which are drawn whenever they are looked at: no files. path, root: not used."""
    what = Drawing(
        split=split,
        size=size,
        seconds=seconds,
        plot=plot,
        twins=twins,
        differ=differ,
        says=says,
        seed=seed,
        motions=tuple(motions),
        coded=coded,
        enlarged=enlarged,
        balanced=balanced,
        shapes=tuple(shapes),
        mixed=mixed,
    )
    return DrawnScenes(what, clips)


def _rendered(path: Path, clips: int, split: Split, size: int, seconds: float, plot: Plot | None) -> Path:
    folder = path / f"{split}{'-' + plot if plot else ''}-{clips}-{size}px-{seconds:g}s"
    if not (folder / "clips.jsonl").is_file():
        from internvideo.datasets.moving_shapes import scene, write_clips

        if distributed.is_main():
            note(f"rendering {clips} clips of moving_shapes into {folder}")
            write_clips(
                folder, [scene(split, number, plot=plot, seconds=seconds) for number in range(clips)], size=size
            )
        distributed.barrier()
    return folder


TRAINING_READERS: Mapping[str, Callable[..., Samples]] = {
    **READERS,
    "moving_shapes": read_moving_shapes,
    "drawn_shapes": draw_moving_shapes,
    "questions": read_question_list,
}


def read_corpus(recipe: CorpusRecipe, classes: Sequence[str] = ()) -> Corpus:
    """The list of a recipe. Raises UsageError for an unknown reader or option, and for a list that is empty.

    classes: how those of another list are numbered, if this one does not say.
    """
    if not recipe.list:
        raise UsageError(f"the recipe leaves open which list `{recipe.name}` is", f"corpora.{recipe.name}.list=FILE")
    reader = pick(TRAINING_READERS, recipe.reader, "reader")
    _check_options(reader, recipe)
    root = recipe.root or str(Path(recipe.list).parent)
    named = {"classes": classes} if classes and "classes" in _options(reader) else {}
    samples = reader(recipe.list, root, **{**named, **recipe.options})
    if recipe.least_words:
        samples = with_text(samples, recipe.least_words)
    return Corpus(recipe.name, samples, recipe.share, recipe.frames)


def _options(reader: Callable[..., Samples]) -> list[str]:
    bound = getattr(reader, "keywords", {})
    parameters = inspect.signature(reader).parameters.items()
    return [name for name, one in parameters if one.kind is one.KEYWORD_ONLY and name not in bound]


def _check_options(reader: Callable[..., Samples], recipe: CorpusRecipe) -> None:
    taken = _options(reader)
    for name in recipe.options:
        if name not in taken:
            raise UsageError(f"the reader `{recipe.reader}` of `{recipe.name}` has no option `{name}`",
                             nearest(name, taken))  # fmt: skip


def count_corpus(recipe: CorpusRecipe) -> int:
    """How many samples it has; nothing is rendered for that, and a list that is not here has what was published."""
    if recipe.reader == "moving_shapes":
        _check_options(read_moving_shapes, recipe)
        return int(recipe.options.get("clips", inspect.signature(read_moving_shapes).parameters["clips"].default))
    if recipe.published is not None and not Path(recipe.list).exists():
        return recipe.published
    return len(read_corpus(recipe).samples)


def names_of(corpora: Sequence[Corpus], uids: Sequence[int]) -> list[str]:
    """The files of samples; such a question is rare, so the lists are gone through."""
    wanted = set(uids)
    found = {each.uid: each.path for corpus in corpora for each in corpus.samples if each.uid in wanted}
    return [f"`{shown(found[uid])}`" if uid in found else str(uid) for uid in uids]


def tell_list(corpus: Corpus) -> None:
    """Say what is in a list: clips and classes, files that are missing, samples that come twice.

    Raises UsageError if all files are missing, and for a stretch of a file that belongs to two classes.
    """
    samples = corpus.samples
    if not samples.has_files:
        return
    if samples.labelled:
        counts = Counter(sample.label for sample in samples if sample.label is not None)
        names = [samples.classes[label] if samples.classes else f"class {label}" for label in sorted(counts)]
        counted = [f"{name} {count}" for name, (_, count) in zip(names, sorted(counts.items()), strict=True)]
        more = f" and {len(counted) - CLASSES_SHOWN} more classes" if len(counted) > CLASSES_SHOWN else ""
        note(f"`{corpus.name}`: {len(samples):,} clips of {len(counted)} classes: "
             f"{', '.join(counted[:CLASSES_SHOWN])}{more}")  # fmt: skip
    _tell_twice(corpus)
    found = coverage(samples)
    if found.missing_samples:
        told = f"`{corpus.name}`: {found.missing_files:,} of {found.files:,} files are missing"
        if found.missing_samples == found.samples:
            raise UsageError(f"{told}, such as {found.examples[0]!r}", "is its root right?")
        note(f"{told} ({found.share:.1%} of its samples), such as {_first(found.examples)}; others take their place")


def _tell_twice(corpus: Corpus) -> None:
    seen: dict[tuple[str, Span | None], int | None] = {}
    twice: list[str] = []
    torn: list[str] = []
    for sample in corpus.samples if corpus.samples.labelled and not corpus.samples.captioned else ():
        place = (sample.path, sample.span)
        if place in seen:
            (twice if seen[place] == sample.label else torn).append(sample.path)
        seen.setdefault(place, sample.label)
    if torn:
        raise UsageError(
            f"`{corpus.name}`: {len(torn):,} clips have two classes: {_first(torn)}", "leave one line for each clip"
        )
    if twice:
        note(f"`{corpus.name}`: {len(twice):,} clips come more than once and count so: {_first(twice)}")


def _first(paths: Sequence[str], count: int = 5) -> str:
    return ", ".join(map(repr, paths[:count])) + (", ..." if len(paths) > count else "")


def clip_recipe(recipe: TrainRecipe, card: Card, context: int, *, evaluation: bool = False) -> ClipRecipe:
    """How samples become clips: for training, or as evaluation sees them."""
    return ClipRecipe(
        preprocess=card.preprocess,
        augment=None if evaluation else recipe.augment,
        context=context,
        vocabulary=card.family.vocabulary,
        cleaning=recipe.cleaning,
        repeats=1 if evaluation else recipe.repeats,
        kept_bytes=int(recipe.kept_gigabytes * 1e9),
    )


def pinned(recipe: TrainRecipe, corpora: list[Corpus]) -> dict[str, str]:
    """What a run must not change under way: what is in each list, and what the recipe says."""
    return {f"list {corpus.name}": corpus.samples.hash for corpus in corpora} | pinned_values(recipe)


def pinned_values(recipe: Any) -> dict[str, str]:
    """Every value of a recipe that is no default, by its path; defaults are left out, so that a run goes on when
    recipes learn to say more."""
    found: dict[str, str] = {}

    def walk(value: Any, path: tuple[str, ...]) -> None:
        if is_dataclass(value):
            found[".".join((*path, "kind"))] = type(value).__name__
            for each in fields(value):
                inner = getattr(value, each.name)
                usual = each.default if each.default_factory is MISSING else each.default_factory()
                if each.name not in FREE and inner != usual:
                    walk(inner, (*path, each.name))
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            for place, inner in enumerate(value):
                walk(inner, (*path, str(getattr(inner, "name", place))))
        else:
            found[".".join(path)] = json.dumps(plain(value))

    walk(recipe, ())
    return found
