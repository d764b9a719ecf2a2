"""The whole engine on a world whose truth is known: cuts, copies, words, matches, subsets, by the real command line."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import torch

import internvideo as iv
from internvideo.curation.clip_tables import clips_of
from internvideo.curation.presets import PER_VIDEO_BEFORE_RANK
from internvideo.curation.select import KEY, draw, uniforms
from internvideo.curation.select import ViewRecipe as View
from internvideo.datasets.moving_shapes import write_world
from internvideo.datasets.moving_shapes.film_truth import FilmTruth, Truth
from tests.e2e.conftest import run_cli

pytestmark = pytest.mark.slow
FILMS = 12
CUT_FRAMES = 1


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("world")
    return folder, write_world(folder, seed=11, count=FILMS, seconds=(10.0, 20.0), size=120)


@pytest.fixture(scope="module")
def dataset(world, tmp_path_factory):
    folder, out = world[0], tmp_path_factory.mktemp("engine") / "dataset"
    head = out.parent / "head.pth"
    torch.save({"weight": torch.linspace(-40, 40, 32)[None], "bias": torch.tensor([5.0])}, head)
    words = ("match.model=viclip-tiny", f"aesthetic.head={head}", "aesthetic.model=clip-l-14-debug")
    run_cli("curate", folder, "--out", out, *words, check=1)
    return iv.Dataset(out)


def places_of(dataset, folder) -> dict[str, str]:
    """File of the world -> video."""
    rows = dataset.rows("places").to_pylist()
    return {str(Path(row["place"]).relative_to(folder)): row["video"] for row in rows}


def cuts_of(dataset, video: str, film: FilmTruth) -> np.ndarray:
    """(cuts,) frame numbers at which a new shot begins."""
    shots = dataset.clips("shots")
    mine = shots.filter(pc.equal(shots["video"], video))
    frames = np.cumsum(mine["frames"].to_numpy())
    assert frames[-1] == film.frames
    return frames[:-1]


def hits(found: np.ndarray, joins: list[tuple[int, int]]) -> int:
    """How many joins [first, last] have a cut of their own: each cut counts once."""
    left, count = sorted(found.tolist()), 0
    for first, last in joins:
        near = [cut for cut in left if first <= cut <= last]
        if near:
            left.remove(near[0])
            count += 1
    return count


def test_cuts_are_found_to_the_frame_and_fades_within_half_their_length(world, dataset):
    """Preset `default`: adaptive detector for cuts, threshold for fades to black. Dissolves are no part of it."""
    folder, truth = world
    where = places_of(dataset, folder)
    score = {"cut": [0, 0], "fade": [0, 0]}
    spurious = 0
    for film in truth.films:
        found = cuts_of(dataset, where[film.file], film)
        near: set[int] = set()
        for shot in film.shots[1:]:
            middle, half = (shot.join_start + shot.join_end) / 2, max(CUT_FRAMES, (shot.join_end - shot.join_start) / 2)
            window = (math.ceil(middle - half), math.floor(middle + half))
            near |= {cut for cut in found.tolist() if window[0] <= cut <= window[1]}
            if shot.join in score:
                score[shot.join][1] += 1
                score[shot.join][0] += hits(found, [window])
        spurious += len(set(found.tolist()) - near)
    assert min(total for _, total in score.values()) >= 8
    for join, least in (("cut", 0.98), ("fade", 0.9)):
        right, total = score[join]
        f1 = 2 * right / (right + spurious + total)
        assert f1 >= least, f"{join}: {right} of {total} found, {spurious} cuts where none is, F1 {f1:.3f}"


def test_copies_are_grouped_exactly(world, dataset):
    folder, truth = world
    where = places_of(dataset, folder)
    clips = clips_of(dataset, "shots")
    groups: dict[str, set[str]] = {}
    for video, group in zip(clips["video"].to_pylist(), clips["duplicates_group"].to_pylist(), strict=True):
        if group is not None:
            groups.setdefault(group, set()).add(video)
    linked = {frozenset(videos) for videos in groups.values() if len(videos) > 1}
    copies = [film for film in truth.films if film.copy_of and film.relation != "exact"]
    assert {film.relation for film in copies} == {"re-muxed", "re-encoded", "re-scaled", "excerpt"}
    assert linked == {frozenset((where[film.file], where[film.copy_of])) for film in copies}
    same = next(film for film in truth.films if film.relation == "exact")
    assert where[same.file] == where[same.copy_of], "equal bytes are one video"


def test_words_belong_to_the_shot_in_which_they_are_said(world, dataset):
    folder, truth = world
    where = places_of(dataset, folder)
    captions = dataset.value("captions").to_pylist()
    checked = 0
    for film in truth.films:
        if not any(name.endswith((".captions.jsonl", ".srt", ".vtt")) for name in film.sidecars):
            continue
        imported = dataset.clips("imported")
        spans = set(zip(*(imported[n].to_pylist() for n in ("video", "start", "end")), strict=True))
        for shot in film.shots:
            step = film.seconds / film.frames
            own = [
                row for row in captions
                if row["video"] == where[film.file] and (row["video"], row["start"], row["end"]) in spans
                and row["scale"] == "clip" and row["text"] == shot.caption
            ]  # fmt: skip
            bounds = {(row["start"], row["end"]) for row in own}
            if any(name.endswith(".captions.jsonl") for name in film.sidecars):
                assert len(bounds) == 1, (film.file, shot.caption)
                clip = imported.filter(
                    pc.and_(pc.equal(imported["video"], where[film.file]), pc.equal(imported["start"], min(bounds)[0]))
                )
                times = clip["start_seconds"].to_pylist(), clip["end_seconds"].to_pylist()
                assert abs(times[0][0] - shot.start) <= step and abs(times[1][0] - shot.end) <= step
                checked += 1
    assert checked > 20


def test_true_captions_match_better_than_those_of_other_clips(dataset):
    """The bundled network, which knows this world, on the captions that lie beside the films."""
    table = clips_of(dataset, "imported")
    own = table["match_cosine"].to_numpy()
    assert np.isfinite(own).sum() > 30
    operator = next(name for name in dataset.operators() if name.startswith("embedding-"))
    vectors = dataset.rows(operator)
    spans = list(zip(*(vectors[n].to_pylist() for n in KEY), strict=True))
    by_span = dict(zip(spans, vectors["vector"].to_pylist(), strict=True))
    keys = list(zip(*(table[n].to_pylist() for n in KEY), strict=True))
    from internvideo.jobs.choice import choose_model
    from internvideo.jobs.prepare import encode_captions

    best = {
        (r["video"], r["stream"], r["start"], r["end"]): r for r in dataset.rows("match").to_pylist() if not r["item"]
    }
    said = {
        (r["video"], r["stream"], r["start"], r["end"], r["item"]): r["text"]
        for r in dataset.rows("captions").to_pylist()
    }
    texts = [said[(*key, best[key]["text_item"])] for key in keys if key in best]
    keys = [key for key in keys if key in best]
    words = encode_captions(choose_model("viclip-tiny"), texts)
    cosines = np.array([by_span[key] for key in keys], np.float32) @ words.T
    assert np.allclose(np.diag(cosines), [best[key]["cosine"] for key in keys], atol=2e-3), "stored values are these"
    shuffled = np.mean([np.roll(np.arange(len(keys)), k) for k in (1, 2, 3)], axis=0).astype(int)
    assert np.diag(cosines).mean() > cosines[np.arange(len(keys)), shuffled].mean() + 0.1


def passing(table, description) -> np.ndarray:
    """Rows that pass the rules of a view, by the rules' own columns in plain Python."""
    rows = table.to_pylist()

    def good(row):
        numbers = (row["exposure_dark_share"] < 0.9, row["exposure_bright_share"] < 0.5)
        still, sharp = row["stillness_still_share"], row["sharpness_median"]
        return (
            row["decoding_missing"] == 0 and 2 <= row["end_seconds"] - row["start_seconds"] <= 20 and all(numbers)
            and still is not None and still < 0.95 and (sharp is None or sharp >= 0.3)
            and row["duplicates_keeper"] and row["leaks_evaluation_set"] is None
        )  # fmt: skip

    return np.array([good(row) for row in rows])


def test_flt_is_what_brute_force_draws_and_ranks(dataset):
    table = clips_of(dataset, "shots")
    description = dataset.view_description("flt")
    alive = passing(table, description)
    videos = table["video"].to_pylist()
    counts = {video: sum(1 for v, a in zip(videos, alive, strict=True) if v == video and a) for video in videos}
    race = -np.log(uniforms(table, 42)) * np.array([counts[video] for video in videos])
    size = int(PER_VIDEO_BEFORE_RANK * len({v for v, a in zip(videos, alive, strict=True) if a}))
    drawn = sorted(np.flatnonzero(alive), key=lambda row: race[row])[:size]
    view = View(name="v", sampler="div", per_video=PER_VIDEO_BEFORE_RANK)
    assert set(np.flatnonzero(draw(table, view, alive))) == set(drawn)
    score = table["match_cosine"].to_pylist()
    known = [row for row in drawn if score[row] is not None]
    top = [row for row in known if sum(score[other] > score[row] for other in known) / len(known) < 0.3]
    names = table["clip"].to_pylist()
    keys = list(zip(*(table[n].to_pylist() for n in KEY), strict=True))
    kept = set(zip(*(dataset.view("flt")[n].to_pylist() for n in KEY), strict=True))
    assert kept == {keys[row] for row in top} and len(kept) > 2, [names[row] for row in top]


def test_aes_is_the_top_of_the_good_clips_and_ranks_are_stored(dataset):
    table = clips_of(dataset, "shots")
    alive = passing(table, None)
    score = np.array(table["aesthetic_mean"].to_pylist(), float)
    assert np.isfinite(score).all() and (table["aesthetic_min"].to_numpy() <= score + 1e-6).all()
    inside = np.flatnonzero(alive)
    top = [row for row in inside if (score[inside] > score[row]).sum() / len(inside) < 0.3]
    keys = list(zip(*(table[n].to_pylist() for n in KEY), strict=True))
    assert set(zip(*(dataset.view("aes")[n].to_pylist() for n in KEY), strict=True)) == {keys[row] for row in top}
    ranks, source = np.array(table["ranks_aesthetic"].to_pylist(), float), table["source"].to_pylist()
    assert np.allclose(ranks, [(score > one).mean() for one in score], atol=1e-6)
    inner = np.array(table["ranks_aesthetic_in_source"].to_pylist(), float)
    for name in set(source):
        mine = [row for row, other in enumerate(source) if other == name]
        assert np.allclose(inner[mine], [(score[mine] > score[row]).mean() for row in mine], atol=1e-6)
    assert "shape-laboratory" in source, "the channel that a sidecar file names"


def test_views_by_language_and_category_and_what_is_alike(dataset):
    views = dataset.views()
    assert {"language-en", "category-education"} <= set(views) and "language" not in views
    assert dataset.view("category-education").num_rows == dataset.view("language-en").num_rows > 0
    found = json.loads(run_cli("dataset", "similar", dataset.path, "--json", check=0).stdout)
    counts = [level["clips"] for level in found["levels"]]
    assert counts == sorted(counts, reverse=True) and counts[0] > 0
    pair = next(pair for level in reversed(found["levels"]) for pair in level["pairs"])
    assert run_cli("dataset", "why", dataset.path, pair["clip"], check=0).stdout


def test_films_of_an_evaluation_set_are_found_and_left_out(world, dataset, tmp_path):
    folder, truth = world
    where = places_of(dataset, folder)
    secret = tmp_path / "evaluation"
    secret.mkdir()
    film = next(film for film in truth.films if film.relation == "re-encoded")
    (secret / "test-0001.mp4").write_bytes((folder / film.file).read_bytes())
    prints = tmp_path / "evaluation.parquet"
    run_cli("dataset", "fingerprints", secret, "--out", prints, check=0)
    found = json.loads(run_cli("dataset", "leaks", dataset.path, "--against", prints, "--json", check=1).stdout)
    assert {row["video"] for row in found["leaks"]} == {where[film.file], where[film.copy_of]}
    assert {row["evaluation_video"] for row in found["leaks"]} == {"test-0001.mp4"}
    again = json.loads(run_cli("dataset", "leaks", dataset.path, "--against", secret, "--json", check=1).stdout)
    assert again["leaks"] == [{**row, "evaluation_set": "evaluation"} for row in found["leaks"]]
    run_cli("curate", folder, "--out", dataset.path, f"evaluation_sets={prints}", check=1)
    left = dataset.view("default")["video"].unique().to_pylist()
    assert left and where[film.file] not in left and where[film.copy_of] not in left
