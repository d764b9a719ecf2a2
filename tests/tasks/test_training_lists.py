"""Lists to learn from agree with what the tasks ask."""

import json

from internvideo.tasks.answers import SMALL_VOCABULARY, question_answering
from internvideo.tasks.data import Data
from internvideo.tasks.recognition import recognition
from internvideo.tasks.training_lists import read_question_list, read_small_answers, read_small_motions


def test_the_small_world_teaches_what_it_asks(tmp_path):
    small = {"clips": 3, "size": 32, "seconds": 1}
    options = {name: str(value) for name, value in small.items()}
    taught = read_small_answers(tmp_path / "moving_shapes", "", split="test", **small)
    asked = question_answering(Data(place=str(tmp_path / "moving_shapes"), options=options)).examples
    assert [(s.captions[0], SMALL_VOCABULARY[s.label], s.path) for s in taught] == [
        (e.texts[0], e.truth, e.sample.path) for e in asked
    ]
    assert len({sample.uid for sample in taught}) == len(taught)
    motions = read_small_motions(tmp_path / "moving_shapes", "", split="test", **small)
    assert [(s.label, s.path) for s in motions] == [
        (e.truth, e.sample.path)
        for e in recognition(Data(place=str(tmp_path / "moving_shapes"), options=options)).examples
    ]


def test_questions_that_cannot_be_answered_teach_nothing(tmp_path):
    rows = [{"video_id": n, "question": "who?", "answer": word} for n, word in enumerate(["Man", "zebra", "dog"])]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (tmp_path / "a.json").write_text('{"dog": 0, "man": 1}', "utf-8")
    taught = read_question_list(tmp_path / "q.jsonl", "/v", format="msrvtt-qa", answers=tmp_path / "a.json")
    assert [sample.label for sample in taught] == [1, 0] and taught.classes == ("dog", "man")
    assert taught[0].captions == ("who?",) and taught[0].path == "/v/video0.mp4"
