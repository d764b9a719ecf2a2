"""Instruction data: only what passes the checks leaves the dataset, and nothing is asked twice."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.config import override
from internvideo.curation.language.instructions import NAME, InstructionRecipe, grounded, problem_of, turns_in
from internvideo.curation.language.instructions import Told as Stretch
from internvideo.curation.language.protocol import Answer, EndpointDown, RequestRejected
from internvideo.curation.language.stage import DOWN, Made
from internvideo.errors import UsageError
from internvideo.jobs.export import export
from internvideo.jobs.instructions import make_instructions
from internvideo.jobs.upkeep import forget
from internvideo.store import Dataset
from tests.curation.endpoint_mock import asked_for, serving
from tests.curation.small_dataset import fill

LONG = "Somebody says hello about it while the whole film plays, and then the picture slowly grows brighter to the end."
PAIRS = [
    {"question": "What is said?", "answer": "Somebody says hello."},
    {"question": "And then?", "answer": "It is about the whole film."},
]


def good(body):
    return {"description": LONG} if asked_for(body) == "description" else {"turns": PAIRS}


@pytest.fixture
def dataset(tmp_path):
    made = Dataset.create(tmp_path / "dataset")
    (tmp_path / "films").mkdir()
    fill(made, tmp_path / "films")
    return made


def run(dataset, mock, *more):
    told = [f"endpoint.url={mock.url}", "endpoint.model=mock", "endpoint.longest_pause=0.01", "endpoint.tries=2"]
    return make_instructions(dataset.path, override(InstructionRecipe(), [*told, *more]), quiet=True)


def lines(out):
    return [json.loads(line) for line in (out / "instructions.jsonl").read_text("utf-8").splitlines()]


def test_every_kind_is_written_once_with_what_it_was_made_from(dataset, tmp_path):
    with serving(caption=good) as mock:
        found = run(dataset, mock)
        asked = len(mock.bodies)
        again = run(dataset, mock)
        assert len(mock.bodies) == asked, "nothing is asked twice"
    assert found["kinds"] == {"description": 1, "conversation": 1, "questions": 1}  # the view has one film
    assert again["written"] == 0 and not found["refused"]
    rows = dataset.rows(NAME).to_pylist()
    assert all("seen: about it" in row["context"] and "said: hello" in row["context"] for row in rows)
    assert all(row["origin"] == "mock" and row["prompt_tokens"] == 100 for row in rows)
    assert all("A title" in body["messages"][0]["content"] for body in mock.bodies)
    summary = export(dataset.path, "instructions", tmp_path / "out")
    assert (summary["clips"], summary["skipped"]) == (1, [])
    for line in lines(tmp_path / "out"):
        assert [one["from"] for one in line["conversations"]] == ["human", "gpt"] * (len(line["conversations"]) // 2)
        assert line["conversations"][0]["value"].startswith("<video>\n")
        assert line["video"].startswith("film ") and line["start_seconds"] == 0.0
    assert dataset.verify() == []


def test_what_fails_the_checks_is_mended_once_else_kept_with_the_reason_and_not_exported(dataset, tmp_path):
    first = [True]

    def careless(body):
        if asked_for(body) == "description":
            refused = "An earlier answer was refused" in body["messages"][0]["content"]
            return {"description": LONG if refused else "Too short."}
        if first:
            first.clear()
        return {"turns": [PAIRS[0], {"question": "Why?", "answer": "The caption says so."}]}

    with serving(caption=careless) as mock:
        found = run(dataset, mock)
    assert found["kinds"] == {"description": 1}
    assert list(found["refused"]) == ["it mentions `caption`: nobody who watches a video sees one"]
    assert found["refused"][next(iter(found["refused"]))] == 2
    tokens = {row["kind"]: row["prompt_tokens"] for row in dataset.rows(NAME).to_pylist()}
    assert tokens["description"] == 200, "both questions are paid for"
    summary = export(dataset.path, "instructions", tmp_path / "out")
    assert len(lines(tmp_path / "out")) == 1 and len(summary["skipped"]) == 2


@pytest.mark.parametrize("fault", [429, 500, "hang", "cut", "no-json"])
def test_faults_of_the_endpoint_change_nothing(dataset, fault):
    with serving(caption=good, faults=[fault]) as mock:
        found = run(dataset, mock, "endpoint.timeout=0.5", "endpoint.tries=3")
    assert sum(found["kinds"].values()) == 3 and not found["failed"]


def test_a_refusal_is_a_row_and_an_endpoint_that_is_down_is_asked_again_next_time(dataset):
    with serving(caption=good, faults=["refuse"]) as mock:
        found = run(dataset, mock, "endpoint.in_flight=1", "kinds=description,questions")
    assert (found["kinds"], found["refused"]) == ({"questions": 1}, {"refused": 1})
    with serving(faults=[503] * 9) as mock:
        found = run(dataset, mock, "kinds=conversation")
        assert next(iter(found["failed"].values())).startswith(mock.url)
    with serving(caption=good) as mock:
        assert run(dataset, mock, "kinds=conversation")["kinds"] == {"conversation": 1}


def test_an_endpoint_that_stays_down_ends_the_run_and_one_bad_question_does_not():
    class Writer:
        def commit(self, video, results):
            assert results[0].kind in ("network", "rejected")

    made = Made()
    for number in range(3 * DOWN):
        problem = EndpointDown("silence") if number % DOWN else RequestRejected("too large")
        made.fail(Writer(), None, str(number), "", problem)
        assert not made.stopped
    made.fail(Writer(), None, "the last", "", EndpointDown("silence"))
    assert made.stopped == "silence" and len(made.failed) == 3 * DOWN + 1


def test_a_spent_budget_stops_and_says_so(dataset):
    with serving(caption=good) as mock:
        found = run(dataset, mock, "token_budget=10")
        assert "tokens of 10 are spent" in found["stopped"] and not mock.bodies


def test_words_in_a_caption_are_material_and_stay_one_line(dataset):
    def obeys(body):
        return {"description": LONG + "\n\x07" + "x" * 9000} if asked_for(body) == "description" else {"turns": PAIRS}

    with serving(caption=obeys) as mock:
        run(dataset, mock)
    assert all("never an instruction" in body["messages"][0]["content"] for body in mock.bodies)
    said = [turn["answer"] for row in dataset.rows(NAME).to_pylist() for turn in row["turns"]]
    assert all(len(text) <= 4000 and text.isprintable() for text in said)


def test_a_forgotten_film_leaves_no_instruction(dataset, tmp_path):
    with serving(caption=good) as mock:
        run(dataset, mock)
    export(dataset.path, "instructions", tmp_path / "out")
    video = dataset.rows(NAME)["video"][0].as_py()
    answers = (dataset.path / "cache" / "answers.sqlite").read_bytes()
    assert b"Somebody says hello" in answers
    done = forget(dataset.path, [video], quiet=True)
    assert done["exports"] == [str(tmp_path / "out")] and lines(tmp_path / "out") == []
    assert dataset.rows(NAME).num_rows == 0
    assert b"Somebody says hello" not in (dataset.path / "cache" / "answers.sqlite").read_bytes()


def test_a_dataset_without_a_word_is_told_what_to_do(dataset):
    with dataset.writer() as writer:
        writer.retire("captions")
    with serving() as mock, pytest.raises(UsageError, match="has a caption"):
        run(dataset, mock)


TURN = st.fixed_dictionaries({"question": st.text(max_size=30), "answer": st.text(max_size=60)})


@given(st.lists(TURN, max_size=6), st.sampled_from(["conversation", "questions"]))
def test_what_passes_is_well_formed(turns, kind):
    told = Stretch(0, 0, 1, "", ("a",))
    read = turns_in(Answer(json.dumps({"turns": turns})), kind, told)
    if not problem_of(read, kind):
        assert len({turn["question"].lower() for turn in read}) == len(read) >= 2
        assert all(turn["question"] and turn["answer"].isprintable() for turn in read)
    share = grounded(read, " ".join(turn["answer"] for turn in read))
    assert share in (None, 1.0)
