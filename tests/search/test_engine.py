"""What is found in a world of plain colours, where everybody can see what is right."""

import csv
import io
import re

import numpy as np
import pytest

from internvideo.errors import UsageError
from internvideo.records import Span
from internvideo.search.cutlist import CUT_LISTS
from internvideo.search.engine import Engine, Question
from internvideo.search.filters import Filters
from tests.search.colours import EMBEDDING, FILMS, vector


def found(engine, name, **more):
    """(film, number of the shot) of every hit."""
    answer = engine.search(Question(vector=vector(name), example=True, **more))
    assert all(hit.score >= 0.5 for hit in answer.hits)
    return {
        (hit.name.removesuffix(".mp4"), round((hit.span.start + hit.span.end) / 2 / 1.2 - 0.5)) for hit in answer.hits
    }


def shots_of(name):
    return {(film, place) for film, colours in FILMS.items() for place, colour in enumerate(colours) if colour == name}


@pytest.mark.parametrize("name", ["red", "green", "blue", "white"])
def test_all_moments_of_a_colour_are_found_and_no_others_first(engine, name):
    answer = engine.search(Question(vector=vector(name), example=True, cut_off=0.0))
    wanted = shots_of(name)
    first = [(h.name.removesuffix(".mp4"), round((h.span.start + h.span.end) / 2 / 1.2 - 0.5)) for h in answer.hits]
    assert set(first[: len(wanted)]) == wanted
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)


def test_hits_do_not_cover_each_other(engine):
    answer = engine.search(Question(vector=vector("red"), example=True, cut_off=0.0, top=50))
    for place, hit in enumerate(answer.hits):
        for other in answer.hits[place + 1 :]:
            if hit.clip.video == other.clip.video:
                assert hit.span.overlap(other.span) < 0.5 * min(hit.span.seconds, other.span.seconds)


def test_words_find_captions_texts_of_the_film_and_names(engine):
    (hit, *_) = engine.search(Question(text="red wall in Lisbon")).hits
    assert hit.name == "one.mp4" and hit.span.overlap(Span(0, 1.2)) > 1.1 and "Lisbon" in hit.why["words"]
    assert {hit.name for hit in engine.search(Question(text="signal lamp on ships")).hits} == {"three.mp4"}
    assert {hit.name for hit in engine.search(Question(text="sub two")).hits} == {"sub/two.mp4"}


@pytest.mark.parametrize("text", ["a zebra in a spaceship", "purple", "Lisbon tram at night with rain"])
def test_nothing_relevant_is_said(engine, text):
    answer = engine.search(Question(text=text))
    assert answer.hits == ()


def test_vectors_and_words_together_say_more_than_either(engine):
    both = engine.search(Question(text="red wall in Lisbon", vector=vector("red"), example=True))
    words = engine.search(Question(text="red wall in Lisbon"))
    assert both.hits[0].clip.video == words.hits[0].clip.video and both.hits[0].score >= words.hits[0].score
    assert both.by == ("vectors", "words") and "cosine" in both.hits[0].why


def test_an_example_does_not_find_itself(engine):
    row = int(engine.moments.of_video(engine.moments.videos[0].video)[0])
    facts, span = engine.moments.facts(row), engine.moments.span(row)
    ask = Question(vector=engine.vector_of(row), example=True, avoid=(facts.video, span), cut_off=0.0)
    for hit in engine.search(ask).hits:
        if hit.clip.video == facts.video:
            assert hit.span.overlap(span) < 0.5 * span.seconds + 1e-6


def test_filters_leave_out_and_say_what_they_do_not_know(engine):
    wide = {"vector": vector("green"), "example": True, "cut_off": 0.0, "top": 99}
    every = engine.search(Question(**wide))
    only = engine.search(Question(**wide, filters=Filters(folder="sub")))
    assert {hit.name for hit in only.hits} == {"sub/two.mp4"} and only.moments < every.moments
    short = engine.search(Question(**wide, filters=Filters(seconds=(0.0, 2.0))))
    assert short.hits and all(hit.span.seconds <= 2.0 for hit in short.hits)
    assert not engine.search(Question(**wide, filters=Filters(until="1999-12-31"))).hits
    assert engine.search(Question(**wide, filters=Filters(since="1999-12-31"))).hits
    assert not engine.search(Question(**wide, filters=Filters(licence="CC-BY"))).hits
    wide_ones = engine.search(Question(**wide, filters=Filters(where=("video_width>=64", "video_codec=h264"))))
    assert len(wide_ones.hits) == len(every.hits)
    assert not engine.search(Question(**wide, filters=Filters(where=("video_width>64",)))).hits
    with pytest.raises(UsageError, match="no column"):
        engine.search(Question(**wide, filters=Filters(where=("video_widht>64",))))
    for bad in ({"since": "yesterday"}, {"where": ("width is 3",)}):
        with pytest.raises(UsageError):
            Filters(**bad)


def test_the_timeline_is_highest_where_the_hit_is(engine):
    ask = Question(vector=vector("blue"), example=True, top=1)
    (hit,) = engine.search(ask).hits
    timeline = engine.timeline(ask, hit.clip.video)
    best = max(timeline, key=lambda pair: pair[1])
    assert best[0].overlap(hit.span) > 0 and best[1] == pytest.approx(hit.score)
    assert [span.start for span, _ in timeline] == sorted(span.start for span, _ in timeline)
    worded = engine.timeline(Question(text="red wall in Lisbon"), engine.moments.videos[0].video)
    assert max(score for _, score in worded) > 0 or engine.moments.videos[0].name != "one.mp4"


def test_exact_and_quick_answers_agree(dataset, engine):
    plain = Engine(dataset, dataset.operator(EMBEDDING.name), fast=False)
    for name in ("red", "white"):
        ask = Question(vector=vector(name), example=True, cut_off=0.0)
        assert plain.search(ask).hits == engine.search(ask).hits


def test_cut_lists_say_the_same_times(engine):
    hits = engine.search(Question(vector=vector("red"), example=True, cut_off=0.0, top=3)).hits
    lists = {name: make(hits, lambda video: 10.0) for name, (_, make) in CUT_LISTS.items()}
    rows = list(csv.DictReader(io.StringIO(lists["csv"])))
    assert [float(row["start"]) for row in rows] == pytest.approx([hit.span.start for hit in hits], abs=1e-3)
    times = re.findall(r"V     C        (\S+) (\S+) (\S+) (\S+)", lists["edl"])
    assert len(times) == 3 and times[0][2] == "01:00:00:00" and times[1][2] == times[0][3]
    assert lists["ffmpeg"].count("ffmpeg -nostdin") == 3 and "-n -ss" in lists["ffmpeg"]


def test_questions_without_a_question_are_refused():
    with pytest.raises(UsageError, match="nothing to search for"):
        Question(text="  ")
    with pytest.raises(UsageError):
        Question(text="x", top=0)
    assert np.isfinite(Question(text="x").cut_off)


def test_a_cosine_tells_nothing_where_it_is_not_known_what_is_usual(dataset, tmp_path):
    import shutil

    from internvideo.store.dataset import Dataset

    shutil.copytree(dataset.path, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "index")
    bare = Dataset(tmp_path / "bare")
    made = Engine(bare, bare.operator(EMBEDDING.name))
    assert not made.search(Question(text="x", vector=vector("red"))).hits
    assert made.search(Question(vector=vector("red"), example=True)).hits
