"""Is the moment found, and is it said when there is none? 200 moments in 20 long films of `moving_shapes`.

Run     python benchmarks/search_quality.py [--model viclip-tiny] [--fit] [--moments 200]
Gives   JSON lines. Films of 10 shots of 3 s each; every shot is one scene of retrieval, all with different captions, a
        quarter of them the same coloured shapes doing other things. Queries: the caption of every moment, and as many
        captions of scenes that are not in the films. Goals: right moment first (temporal IoU >= 0.5) >= 85 %, nothing
        relevant said of >= 90 % of queries without an answer, <= 10 % of answerable ones refused, at one cut-off.
--fit   measures the curve of the model on films of training combinations, for `search.calibration.CURVES`; the cut-off
        is where the worse of the two refusal rates is best there. Test films are never looked at for it.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from internvideo.datasets.moving_shapes import Scene, caption, render, retrieval_scenes
from internvideo.jobs.index import index
from internvideo.jobs.search import Searcher
from internvideo.records import Span
from internvideo.search import calibration
from internvideo.search.calibration import Curve, fit
from internvideo.video.render import write_video
from pairing import circumstances, write

SHOTS, SECONDS, FPS, SIZE = 10, 3.0, Fraction(16), 128
Moment = tuple[str, str, Span]  # caption, file, where


def films_of(split: str, moments: int, seed: int) -> tuple[Path, list[Moment], list[str]]:
    """Films kept in benchmarks/out, their moments, and captions of other scenes of the same kind."""
    scenes = retrieval_scenes(2 * moments, seed=seed, split=split, seconds=SECONDS)
    shown, others = scenes[:moments], [caption(scene) for scene in scenes[moments:]]
    folder = Path(__file__).parent / "out" / f"quality-{split}-{seed}-{moments}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".moving-shapes.json").write_text("{}", "utf-8")
    found: list[Moment] = []
    batches = [shown[at : at + SHOTS] for at in range(0, moments, SHOTS)]
    for number, batch in enumerate(batches):
        path = folder / f"{number:03}.mp4"
        if not path.is_file():
            part = path.with_suffix(".part.mp4")
            write_video(part, frames_of(batch), fps=FPS, options={"crf": "20"})
            part.replace(path)
        places = enumerate(batch)
        found += [(caption(scene), path.name, Span(at * SECONDS, (at + 1) * SECONDS)) for at, scene in places]
    return folder, found, others


def frames_of(scenes: Sequence[Scene]):
    for scene in scenes:
        yield from render(scene, size=SIZE, fps=FPS)


def iou(one: Span, other: Span) -> float:
    shared = one.overlap(other)
    return shared / (one.seconds + other.seconds - shared)


def searcher_of(folder: Path, model: str) -> Searcher:
    dataset = folder.with_name(f"{folder.name}-{model}")
    index([folder], dataset, model=model, quiet=True)
    return Searcher(dataset, model=model)


def marks(searcher: Searcher, moments: Sequence[Moment], others: Sequence[str]) -> dict[str, float]:
    """Shares, with the cut-off as it is."""
    first = refused = 0
    for text, name, where in moments:
        answer = searcher.search(vector_only(searcher, text))
        best = next(iter((*answer.hits, *answer.nearest)), None)
        first += best is not None and best.name == name and iou(best.span, where) >= 0.5
        refused += not answer.hits
    silent = sum(not searcher.search(vector_only(searcher, text)).hits for text in others)
    count = len(moments)
    return {
        "right moment first": round(first / count, 3),
        "answerable refused": round(refused / count, 3),
        "nothing relevant said": round(silent / len(others), 3),
    }


def vector_only(searcher: Searcher, text: str):
    """The films have no words; names of files shall not help either."""
    return replace(searcher.question(text, top=5), text="")


def measured_curve(searcher: Searcher, moments: Sequence[Moment], others: Sequence[str]) -> Curve:
    """From the best moment of every query: whether it is the right one, by cosine and distance to the usual."""
    rows, right = [], []
    truth = {text: (name, where) for text, name, where in moments}
    engine = searcher.engine
    for text in [*truth, *others]:
        ask = vector_only(searcher, text)
        found, cosine = engine.exact.best(ask.vector, 1)
        moment = int(engine._place[found[0]])
        name, where = truth.get(text, ("", Span(0, 1)))
        right.append(engine.moments.facts(moment).name == name and iou(engine.moments.span(moment), where) >= 0.5)
        rows.append((cosine[0], engine._usual[found[0]], engine._spread[found[0]]))
    cosine, usual, spread = np.array(rows).T
    curve = fit(cosine, usual, spread, np.array(right, float))
    likely = curve.probability(cosine, usual, spread)
    answerable = np.arange(len(likely)) < len(truth)
    cuts = np.unique(likely)
    worse = [max((likely[answerable] < cut).mean(), (likely[~answerable] >= cut).mean()) for cut in cuts]
    cut = float(np.clip(cuts[int(np.argmin(worse))], 1e-6, 1 - 1e-6))
    return replace(curve, constant=curve.constant - float(np.log(cut / (1 - cut))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="viclip-tiny")
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    found: list[dict[str, object]] = []
    if given.fit:
        folder, moments, others = films_of("train", given.moments, seed=1)
        searcher = searcher_of(folder, given.model)
        curve = measured_curve(searcher, moments, others)
        calibration.CURVES = {**calibration.CURVES, given.model: curve}
        found.append({"films": "training", "model": given.model, "curve": str(curve)})
        found[-1] |= marks(searcher, moments, others)
        print(json.dumps(found[-1]), flush=True)
    folder, moments, others = films_of("test", given.moments, seed=0)
    searcher = searcher_of(folder, given.model)
    found.append({"films": "test", "model": given.model, "moments": given.moments})
    found[-1] |= marks(searcher, moments, others)
    print(json.dumps(found[-1]))
    write(f"search-quality-{given.model}", [{**row, **circumstances()} for row in found])


if __name__ == "__main__":
    main()
