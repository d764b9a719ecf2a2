"""Lists of tasks as samples to learn from: questions with the number of their answer, scenes with their motion."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from internvideo.datasets.moving_shapes.world import MOTIONS, Plot, Split, scene
from internvideo.datasets.questions import QUESTION_READERS, Question, read_answers
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of
from internvideo.errors import UsageError, pick
from internvideo.metrics.answers import answer_key
from internvideo.tasks.answers import SMALL_VOCABULARY, small_questions
from internvideo.tasks.data import Data, Rendered, world


def read_question_list(path: PathLike, root: PathLike, *, format: str, answers: PathLike) -> Samples:
    """Open questions: the caption is the question, the label its answer's number in the vocabulary `answers`.

    format: a key of `datasets.questions.QUESTION_READERS`. Questions whose answer the vocabulary lacks teach nothing
    and are left out.
    """
    vocabulary = read_answers(answers)
    return Samples(_labelled(pick(QUESTION_READERS, format, "format")(path, root), vocabulary, format), vocabulary)


def _labelled(questions: Sequence[Question], vocabulary: Sequence[str], corpus: str) -> Iterator[Sample]:
    numbers = {answer_key(text): number for number, text in enumerate(vocabulary)}
    for one in questions:
        if isinstance(one.answer, str) and answer_key(one.answer) in numbers:
            label = numbers[answer_key(one.answer)]
            yield replace(one.sample, uid=uid_of(corpus, one.id), captions=(one.text,), label=label)


def read_small_answers(
    path: PathLike, root: PathLike, *, clips: int = 256, split: Split = "train", size: int = 96, seconds: int = 3
) -> Samples:
    """Questions about the first scenes of a split of the small world, rendered below the folder `path`."""
    numbers = {text: number for number, text in enumerate(SMALL_VOCABULARY)}
    asked = small_questions(_films(path, f"answers-{split}", split, None, clips, size, seconds))
    found = (
        replace(one.sample, uid=uid_of("answers", one.id), captions=(one.texts[0],), label=numbers[str(one.truth)])
        for one in asked
    )
    return Samples(found, SMALL_VOCABULARY)


def read_small_motions(
    path: PathLike, root: PathLike, *, clips: int = 256, split: Split = "train", size: int = 96, seconds: int = 3
) -> Samples:
    """Scenes of one thing in equal numbers of all motions, labelled with theirs."""
    if split == "unknown":
        raise UsageError("unknown motions are never learned", "split=train")
    films = _films(path, f"recognition-{split}", split, "single", clips, size, seconds)
    return Samples((replace(one.sample, label=MOTIONS.index(one.scene.label)) for one in films), MOTIONS)


def _films(
    path: PathLike, name: str, split: Split, plot: Plot | None, clips: int, size: int, seconds: int
) -> list[Rendered]:
    scenes = [scene(split, number, plot=plot, seconds=float(seconds)) for number in range(clips)]
    return world(Data(place=str(path), options={"size": str(size)}), name, scenes)
