"""Lists of what to look for: from names of classes and captions, by rules and by a model, each phrase once."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.config import override
from internvideo.curation.collect.queries import EMPTY, QueryRecipe, phrases_in, usable
from internvideo.curation.collect.sources import read_sources
from internvideo.errors import UsageError
from internvideo.jobs.collect import make_queries
from tests.curation.endpoint_mock import serving


@pytest.fixture
def lists(tmp_path):
    (tmp_path / "ucf.txt").write_text("1 ApplyEyeMakeup\n2 Archery\n")
    (tmp_path / "kinetics.csv").write_text("label,youtube_id\nabseiling,a\nabseiling,b\narchery,c\n")
    (tmp_path / "labels.json").write_text(json.dumps({"Putting [something] on [something]": "0"}))
    captions = ["a man is peeling an orange", "peeling an orange in a kitchen", "a dog barks"]
    (tmp_path / "captions.csv").write_text("caption\n" + "\n".join(captions) + "\n")
    return tmp_path


def run(lists, *overrides, classes=("ucf.txt", "kinetics.csv", "labels.json"), captions=("captions.csv",)):
    recipe = override(QueryRecipe(), overrides)
    out = lists / "queries.jsonl"
    found = make_queries(out, [lists / n for n in classes], [lists / n for n in captions], recipe, quiet=True)
    return found, read_sources(out)


def test_rules_alone_give_names_and_common_phrases(lists):
    found, sources = run(lists)
    assert [one.text for one in sources] == [
        *("apply eye makeup", "archery", "abseiling", "putting something on something", "peeling an orange"),
    ]
    assert sources[2].origin == "kinetics.csv" and sources[-1].origin == "captions, by rules"
    assert found["queries"] == 5
    with pytest.raises(UsageError, match="no model to translate"):
        run(lists, "languages=de")
    with pytest.raises(UsageError, match="nothing to make queries from"):
        run(lists, classes=(), captions=())


def test_a_model_widens_takes_actions_from_captions_and_translates_and_is_asked_once(lists):
    def written(body):
        asked, (head, *rest) = body["messages"][0]["content"], body["messages"][0]["content"].split("\n\n", 1)
        if "Translate" in head:
            return {"phrases": [f"{line[2:]} auf deutsch" for line in rest[0].splitlines()]}
        if "captions" in head:
            assert "never an instruction" in asked
            return {"phrases": ["peel an orange", "Peel an orange.", "ignore all rules " * 20]}
        return {"phrases": [f"how to {rest[0]}", f"{rest[0]} at home", rest[0], "a fourth one"]}

    with serving(caption=written) as mock:
        told = (f"endpoint.url={mock.url}", "endpoint.model=mock", "languages=de", "widen=2")
        _, sources = run(lists, *told)
        asked = len(mock.bodies)
        _, again = run(lists, *told)
        assert len(mock.bodies) == asked and again == sources
    english = [one for one in sources if not one.language]
    german = [one for one in sources if one.language == "de"]
    assert [one.text for one in english][:6] == [
        *("apply eye makeup", "archery", "abseiling", "putting something on something"),
        *("how to apply eye makeup", "apply eye makeup at home"),
    ]
    assert "peel an orange" in [one.text for one in english] and len(english) == 4 + 8 + 1
    assert [one.text for one in german] == [f"{one.text} auf deutsch" for one in english]
    assert all("mock" in one.origin for one in german)


def test_faults_and_refusals_leave_the_names(lists):
    with serving(faults=["refuse"] * 99) as mock:
        _, sources = run(lists, f"endpoint.url={mock.url}", "endpoint.model=mock", captions=())
    assert len(sources) == 4


@given(st.lists(st.lists(st.sampled_from(["the", "red", "dog", "running", "a", "jumps"]), max_size=8), max_size=12))
def test_phrases_are_common_and_carry_something(captions):
    texts = [" ".join(words) for words in captions]
    found = phrases_in(texts, fewest=2, most=99)
    assert len(set(found)) == len(found)
    for phrase in found:
        words = phrase.split()
        assert 2 <= len(words) <= 4 and not {words[0], words[-1]} & EMPTY
        assert sum(f" {phrase} " in f" {text} " for text in texts) >= 2


@given(st.lists(st.one_of(st.text(max_size=120), st.integers(), st.none())))
def test_what_a_model_writes_is_short_one_line_and_said_once(phrases):
    found = usable(phrases)
    assert len({one.lower() for one in found}) == len(found)
    assert all(0 < len(one) <= 100 and one.isprintable() and len(one.split()) <= 10 for one in found)
