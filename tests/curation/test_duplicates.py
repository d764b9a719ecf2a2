"""Copies are found whatever was done to them, other takes are not, and no content is lost by keeping keepers."""

import dataclasses
import statistics
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.curation.duplicates import FrameHashes, NearDuplicates, PacketDigest
from internvideo.curation.measures import MEASURES
from internvideo.curation.operator import SPAN_COLUMNS, DatasetOperator, Operator, Series, Subject
from internvideo.curation.sequence_match import Footage, matching_clips
from internvideo.errors import UsageError
from internvideo.ops.hashing import hashes_to_bytes
from internvideo.store.values import CLIP_KEY, VIDEO_KEY

FINE = 48  # steps per second of the made worlds


def world(seed: int, seconds: float, moving: float = 40.0) -> np.ndarray:
    """(T, 256) bool: the hash of a scene over time; `moving` bits change per second."""
    rng = np.random.default_rng([seed, 7])
    first = rng.random((1, 256)) < 0.5
    changes = np.concatenate([first, rng.random((int(seconds * FINE) - 1, 256)) < moving / FINE / 256])
    return np.logical_xor.accumulate(changes)


@dataclass(frozen=True)
class Film:
    """A video of the made dataset: the scene it shows, sampled every `period` seconds from `phase` on."""

    bits: np.ndarray
    period: float = 0.5
    phase: float = 0.0
    noise: int = 3  # bits per frame
    quality: int = 100
    width: int = 640
    height: int = 360
    bit_rate: int = 1000
    digest: str | None = None
    zero: float = 0.0  # time of the first frame

    @property
    def seconds(self) -> float:
        return len(self.bits) / FINE

    def frames(self, name: str) -> list[dict]:
        rng = np.random.default_rng([len(name), *name.encode()])
        rows = []
        for item, moment in enumerate(np.arange(self.phase, self.seconds - 1e-9, self.period)):
            bits = self.bits[int(moment * FINE)].copy()
            bits[rng.choice(256, self.noise, replace=False)] ^= True
            tick = round((moment + self.zero) * 1000)
            packed = np.packbits(bits, bitorder="little").tobytes()
            rows.append(
                {
                    "video": name,
                    "item": item,
                    "tick": tick,
                    "seconds": tick / 1000,
                    "hash": packed,
                    "quality": self.quality,
                }
            )
        return rows


def clip(video: str, start: float, end: float) -> dict:
    row = {"video": video, "stream": 0, "start": round(start * 1000), "end": round(end * 1000), "item": 0}
    return {**row, "start_seconds": start, "end_seconds": end, "frames": 1}


def tables(films: dict[str, Film], clips: list[dict] | None = None) -> dict[str, pa.Table]:
    """Rows of all operators that are read; without `clips` every film is one clip."""
    if clips is None:
        clips = [clip(name, film.zero, film.zero + film.seconds) for name, film in films.items()]
    names = sorted(films)
    hashes = [row for name in names for row in films[name].frames(name)]
    packets = [{"video": n, "item": 0, "digest": films[n].digest, "start_seconds": films[n].zero} for n in names]
    probe = [
        {"video": n, "item": 0, "width": films[n].width, "height": films[n].height, "bit_rate": films[n].bit_rate}
        for n in names
    ]
    schema = pa.schema([*VIDEO_KEY, ("width", pa.int32()), ("height", pa.int32()), ("bit_rate", pa.int64())])
    return {
        "shots": pa.Table.from_pylist(clips, schema=pa.schema([*CLIP_KEY, *SPAN_COLUMNS])),
        "frame_hashes": pa.Table.from_pylist(hashes, schema=pa.schema([*VIDEO_KEY, *FrameHashes.columns])),
        "packet_digest": pa.Table.from_pylist(packets, schema=pa.schema([*VIDEO_KEY, *PacketDigest.columns])),
        "probe": pa.Table.from_pylist(probe, schema=schema),
    }


def result(films: dict[str, Film], clips: list[dict] | None = None, **options) -> list[dict]:
    table = NearDuplicates(**options).process_all(tables(films, clips))
    assert table.schema.names == [*CLIP_KEY.names, *NearDuplicates.columns.names]
    return table.to_pylist()


def groups(rows: list[dict]) -> list[list[str]]:
    """Names of the clips of each group: the video, and its start if it is not 0."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["group"]:
            found.setdefault(row["group"], []).append(
                row["video"] + (f"@{row['start'] / 1000:g}" if row["start"] else "")
            )
    return sorted(sorted(members) for members in found.values())


def keepers(rows: list[dict]) -> list[str]:
    return [row["video"] for row in rows if row["keeper"]]


SCENES = {f"scene {seed}": Film(world(seed, 8)) for seed in range(4)}


@pytest.mark.parametrize(
    ("period", "phase"), [(0.5, 0.0), (0.5, 0.25), (0.5, 0.13), (0.4, 0.2), (0.25, 0.1), (1.0, 0.3)]
)
def test_a_copy_is_found_whatever_its_sampling_and_nothing_else_is(period, phase):
    films = {**SCENES, "copy": Film(world(1, 8), period=period, phase=phase, noise=5)}
    rows = result(films)
    assert groups(rows) == [["copy", "scene 1"]]
    (copy,) = [row for row in rows if not row["keeper"]]
    assert copy["matched"] >= 0.8 and copy["similarity"] > 0.95 and copy["level"] == "perceptual"
    assert {copy["video"], copy["other_video"]} == {"copy", "scene 1"}


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 14), st.floats(3, 6), st.floats(0, 0.4), st.sampled_from([0.25, 0.4, 0.5]))
def test_an_excerpt_is_found_inside_a_longer_film_at_any_shift(start, length, phase, period):
    long = world(5, 20)
    part = long[int(start * FINE) : int((start + length) * FINE)]
    rows = result({**SCENES, "long": Film(long), "part": Film(part, phase=phase, period=period)})
    assert groups(rows) == [["long", "part"]] and "part" not in keepers(rows) and "long" in keepers(rows)


def test_an_excerpt_of_higher_resolution_is_kept_beside_the_long_film():
    long = world(5, 20)
    rows = result({"long": Film(long), "part": Film(long[: 5 * FINE], width=1920, height=1080)})
    assert groups(rows) == [["long", "part"]] and keepers(rows) == ["long", "part"]


def test_shots_of_a_copy_are_paired_one_by_one_also_when_a_cut_is_missing():
    shots = [world(seed, seconds) for seed, seconds in ((1, 4), (2, 5), (3, 5))]
    films = {"a": Film(np.concatenate(shots)), "b": Film(np.concatenate(shots[::-1]), phase=0.2, width=320)}
    clips = [clip("a", 0, 4), clip("a", 4, 9), clip("a", 9, 14), clip("b", 0, 5), clip("b", 5, 14)]
    rows = result(films, clips)
    assert groups(rows) == [["a", "a@4", "b@5"], ["a@9", "b"]]
    assert [row["keeper"] for row in rows] == [True, True, True, False, True], "no shot of a shows most of b@5"


def test_other_takes_of_a_scene_are_no_copies():
    """Three quarters of the picture stay as they are, the rest moves in another way: hashes are 16 to 30 bits apart."""
    still, moving = world(1, 1)[0], np.arange(256) % 4 == 0
    takes = [np.where(moving, world(seed, 8, moving=400), still) for seed in (2, 3, 4)]
    rows = result({f"take {i}": Film(take) for i, take in enumerate(takes)})
    assert groups(rows) == [] and all(row["keeper"] and row["matched"] is None for row in rows)


def test_a_coarse_copy_is_found_if_much_changes_in_it_and_is_not_told_from_a_take_if_little_does():
    """20 of the 256 bits are noise: near, if half a clip later 100 are others; as far as another take, if 5 are."""
    films = {"moving": Film(world(1, 8, moving=30)), "coarse": Film(world(1, 8, moving=30), noise=20)}
    assert groups(result(films)) == [["coarse", "moving"]]
    still = np.where(np.arange(256) < 246, world(1, 1)[0], world(2, 8))
    assert groups(result({"still": Film(still), "coarse": Film(still, noise=20)})) == []


def test_loops_within_one_video_are_found_and_neighbours_that_overlap_are_not_compared():
    loop = world(1, 4)
    film = {"v": Film(np.concatenate([loop, world(2, 5), loop, loop]))}
    clips = [clip("v", 0, 4), clip("v", 4, 9), clip("v", 9, 13), clip("v", 13, 17)]
    rows = result(film, clips)
    assert groups(rows) == [["v", "v@13", "v@9"]] and [row["keeper"] for row in rows] == [True, True, False, False]
    windows = [clip("v", start, start + 4) for start in (4, 5, 6)]
    assert groups(result(film, windows)) == []


def test_flat_frames_never_match_and_do_not_count():
    black = np.zeros((8 * FINE, 256), bool)
    films = {"a": Film(black, quality=0, noise=0), "b": Film(black, quality=9, noise=0), "c": Film(black, quality=5)}
    rows = result(films)
    assert groups(rows) == [] and {row["frames"] for row in rows} == {0} and all(row["keeper"] for row in rows)


def test_still_pictures_match_at_any_length_and_different_ones_do_not():
    page, other = world(1, 1)[:1], world(2, 1)[:1]
    films = {
        "long": Film(np.repeat(page, 60 * FINE, axis=0)),
        "short": Film(np.repeat(page, 5 * FINE, axis=0), phase=0.2),
        "other": Film(np.repeat(other, 20 * FINE, axis=0)),
    }
    assert groups(result(films)) == [["long", "short"]]


def test_a_clip_with_too_few_frames_matches_nothing():
    films = {"a": Film(world(1, 1)), "b": Film(world(1, 1))}
    assert groups(result(films)) == [] and groups(result(films, min_frames=2)) == [["a", "b"]]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"width": 1280, "height": 720, "bit_rate": 10}, {"width": 640, "height": 480, "bit_rate": 9999}),
        ({"bits": world(1, 9), "bit_rate": 10}, {"bits": world(1, 8), "bit_rate": 9999}),
        ({"bit_rate": 2000}, {"bit_rate": 1000}),
    ],
)
def test_the_keeper_has_more_pixels_then_more_time_then_more_bits(better, worse):
    base = Film(world(1, 8))
    for names in (("a", "z"), ("z", "a")):
        films = {names[0]: dataclasses.replace(base, **better), names[1]: dataclasses.replace(base, **worse)}
        assert keepers(result(films)) == [names[0]]


def test_between_equals_the_smaller_identifier_is_kept_and_milliseconds_do_not_decide():
    films = {name: Film(world(1, 8)) for name in ("b", "a", "c")}
    clips = [clip("a", 0, 7.98), clip("b", 0, 8.0), clip("c", 0, 7.97)]
    assert keepers(result(films, clips)) == ["a"]


def test_no_clip_is_dropped_for_one_that_is_dropped_itself():
    """b shows a, c shows the end of b and more: a and c have nothing in common."""
    line = world(1, 24)
    films = {
        "a": Film(line[: 10 * FINE], width=1280),
        "b": Film(line[4 * FINE : 14 * FINE], width=960),
        "c": Film(line[8 * FINE : 18 * FINE], width=640),
    }
    rows = {row["video"]: row for row in result(films)}
    assert groups(list(rows.values())) == [["a", "b", "c"]]
    assert (rows["a"]["keeper"], rows["b"]["keeper"], rows["c"]["keeper"]) == (True, False, True)


def test_what_is_kept_shows_everything_that_is_dropped():
    rng = np.random.default_rng(0)
    line = world(1, 40)
    films = {}
    for number in range(14):
        start, length = rng.integers(0, 30), rng.integers(4, 10)
        part = line[start * FINE : (start + length) * FINE]
        films[f"{number:02d}"] = Film(part, phase=rng.uniform(0, 0.4), width=int(rng.choice([320, 640, 1280])))
    rows = {row["video"]: row for row in result(films)}
    for row in rows.values():
        if not row["keeper"]:
            assert rows[row["other_video"]]["keeper"] and row["matched"] >= 0.6
            assert rows[row["other_video"]]["group"] == row["group"]
            assert films[row["other_video"]].width >= films[row["video"]].width


def test_the_name_of_a_group_depends_on_its_first_member_only():
    two = result({"a": Film(world(1, 8)), "b": Film(world(1, 8))})
    three = result({"a": Film(world(1, 8)), "b": Film(world(1, 8)), "c": Film(world(1, 8)), "d": Film(world(2, 8))})
    assert {row["group"] for row in two} == {row["group"] for row in three} - {None}
    assert len(two[0]["group"]) == 16


def test_the_order_of_the_rows_does_not_matter():
    films = {**SCENES, "copy": Film(world(1, 8), phase=0.2), "again": Film(world(1, 6), phase=0.1)}
    made = tables(films)
    rng = np.random.default_rng(0)
    shuffled = {name: table.take(rng.permutation(table.num_rows)) for name, table in made.items()}
    assert NearDuplicates().process_all(made).equals(NearDuplicates().process_all(shuffled))


def test_equal_packets_group_videos_without_looking_at_a_picture():
    films = {
        "a.mp4": Film(world(1, 8), quality=0, digest="x"),
        "a.ts": Film(world(1, 8), quality=0, digest="x", zero=1.4),
        "b": Film(world(1, 8), quality=0, digest="y"),
        "c": Film(world(1, 8), quality=0),
        "d": Film(world(1, 8), quality=0),
    }
    clips = [clip("a.mp4", 0, 3), clip("a.mp4", 3, 8), clip("a.ts", 1.4, 4.4), clip("a.ts", 4.4, 9.4), clip("b", 0, 8)]
    rows = result(films, [*clips, clip("c", 0, 8), clip("d", 0, 8)])
    assert groups(rows) == [["a.mp4", "a.ts@1.4"], ["a.mp4@3", "a.ts@4.4"]]
    assert {row["level"] for row in rows if row["group"]} == {"packets"}
    dropped = [row for row in rows if not row["keeper"]]
    assert [(row["video"], row["matched"], row["similarity"]) for row in dropped] == [
        ("a.ts", pytest.approx(1.0), 1.0)
    ] * 2


def test_packets_go_before_pictures_and_both_join_one_group():
    base = Film(world(1, 8), digest="x")
    films = {"a": base, "b": base, "c": dataclasses.replace(base, digest="z", width=320, noise=5)}
    rows = result(films)
    assert groups(rows) == [["a", "b", "c"]] and keepers(rows) == ["a"]
    assert [row["level"] for row in rows] == ["packets", "packets", "perceptual"]


def test_nothing_in_gives_nothing_out_and_videos_without_hashes_have_rows():
    assert result({}) == []
    rows = result({"a": Film(world(1, 8)[:0])}, [clip("a", 0, 8)])
    assert [(row["group"], row["keeper"], row["frames"]) for row in rows] == [(None, True, 0)]
    facts = tables({"a": Film(world(1, 8))})
    facts["probe"] = facts["probe"].slice(0, 0)
    assert NearDuplicates().process_all(facts)["keeper"].to_pylist() == [True]


def test_an_unknown_clip_set_is_a_usage_error():
    with pytest.raises(UsageError, match="unknown clip set `shotz`"):
        NearDuplicates(clip_set="shotz").process_all(tables(SCENES))


def test_a_hundred_copies_form_one_group_with_one_keeper():
    films = {f"{number:03d}": Film(world(1, 5), phase=number % 7 * 0.06) for number in range(100)}
    rows = result({**films, **SCENES}, bucket_limit=8)
    assert groups(rows) == [sorted([*films, "scene 1"])] and "scene 1" in keepers(rows)
    assert [name for name in keepers(rows) if name in films] == []


def plain_lay_on(one: Footage, clip_a: int, clip_b: int, shift: float) -> int:
    """Frames of clip a that clip b shows at a shift, one by one with plain integers."""
    numbers = [int.from_bytes(raw, "little") for raw in hashes_to_bytes(one.hashes)]
    changes = []
    for clip in (clip_a, clip_b):
        own = numbers[one.first[clip] : one.last[clip]]
        changes.append(statistics.median((own[i] ^ own[i + len(own) // 2]).bit_count() for i in range(len(own) // 2)))
    shown = 0
    for frame in range(one.first[clip_a], one.last[clip_a]):
        moment = one.seconds[frame] + shift
        those = range(one.first[clip_b], one.last[clip_b])
        before = [f for f in those if moment - 1.0 <= one.seconds[f] <= moment + 1e-9][-1:]
        after = [f for f in those if moment + 1e-9 < one.seconds[f] <= moment + 1.0][:1]
        left, right = (before or after), (after or before)
        if left:
            differs = (numbers[frame] ^ numbers[left[0]]) & (numbers[frame] ^ numbers[right[0]])
            between = (numbers[left[0]] ^ numbers[right[0]]).bit_count()
            shown += differs.bit_count() <= max(10, between / 4, min(changes) / 4)
    return shown


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_reported_shares_equal_a_plain_count_at_the_reported_shift(seed):
    rng = np.random.default_rng(seed)
    line = world(seed, 16, moving=float(rng.choice([5, 40, 120])))
    hashes, seconds, video, first, last = [], [], [], [], []
    for number in range(4):
        film = Film(line[rng.integers(0, 200) :][: rng.integers(150, 700)], period=0.5, phase=0.1 * number)
        rows = film.frames(f"{seed}.{number}")
        first.append(len(hashes))
        hashes += [np.frombuffer(row["hash"], "<u8") for row in rows]
        seconds += [row["seconds"] for row in rows]
        video += [number] * len(rows)
        last.append(len(hashes))
    footage = Footage(
        np.array(hashes, np.uint64), np.array(seconds), np.array(video), np.array(first), np.array(last), np.arange(4)
    )
    found = matching_clips(footage, min_share=0.3, min_frames=3, bucket_limit=128)
    assert (found.a < found.b).all() and len(set(zip(found.a.tolist(), found.b.tolist(), strict=True))) == len(found.a)
    counts = footage.last - footage.first
    for a, b, shift, share_a, share_b in zip(found.a, found.b, found.shift, found.share_a, found.share_b, strict=True):
        assert share_a == pytest.approx(plain_lay_on(footage, a, b, shift) / counts[a])
        assert share_b == pytest.approx(plain_lay_on(footage, b, a, -shift) / counts[b])


def test_frame_hashes_are_the_series_row_by_row():
    words = np.arange(8, dtype=np.uint64).reshape(2, 4)
    assert set(MEASURES["hash"].columns) == {"words", "quality"}
    series = Series(np.array([0, 12]), {"words": words, "quality": np.array([100, 7], np.uint8)})
    table = FrameHashes().process(Subject("v", 0, Fraction(1, 25), {}, series={"hash": series}))
    assert table.to_pylist() == [
        {"video": "v", "item": 0, "tick": 0, "seconds": 0.0, "hash": words[0].tobytes(), "quality": 100},
        {"video": "v", "item": 1, "tick": 12, "seconds": 0.48, "hash": words[1].tobytes(), "quality": 7},
    ]
    empty = Series(np.empty(0, np.int64), {"words": np.empty((0, 4), np.uint64), "quality": np.empty(0, np.uint8)})
    none = FrameHashes().process(Subject("v", 0, Fraction(1, 25), {}, series={"hash": empty}))
    assert none.num_rows == 0 and none.schema == table.schema


def test_the_digest_is_taken_from_the_facts_and_no_packets_are_null():
    assert PacketDigest.packets, "else the worker reads none"
    facts = {"packet_digest": "ab", "start_tick": 126000}
    row = {"video": "v", "item": 0, "digest": "ab", "start_seconds": 1.4}
    assert PacketDigest().process(Subject("v", 0, Fraction(1, 90000), facts)).to_pylist() == [row]
    none = PacketDigest().process(Subject("v", 0, Fraction(1, 90000), {"packet_digest": "", "start_tick": None}))
    assert none.to_pylist() == [{**row, "digest": None, "start_seconds": 0.0}]


def test_the_operators_keep_their_protocols():
    assert isinstance(FrameHashes(), Operator) and isinstance(PacketDigest(), Operator)
    assert isinstance(NearDuplicates(), DatasetOperator)
