"""Lists to learn from agree with what the tasks ask."""

import json

from internvideo.datasets.moving_shapes.listed import Drawing, DrawnScenes
from internvideo.tasks.answers import question_answering
from internvideo.tasks.data import Data
from internvideo.tasks.recognition import recognition
from internvideo.tasks.training_lists import read_question_list


def test_the_small_world_teaches_what_it_asks(tmp_path):
    data = Data(place=str(tmp_path / "moving_shapes"), options={"clips": "3", "size": "32", "seconds": "1"})
    taught = DrawnScenes(Drawing(split="test", seconds=1.0, says="question"), 3)
    asked = {(one.texts[0], one.truth, one.sample.source) for one in question_answering(data).examples}
    assert {(s.captions[0], taught.classes[s.label], s.source) for s in taught} <= asked
    motions = DrawnScenes(Drawing(split="test", seconds=1.0, plot="single"), 3)
    known = recognition(data)
    assert [(s.label, s.source) for s in motions] == [(e.truth, e.sample.source) for e in known.examples]
    assert motions.classes == known.classes and motions.labelled == 3


def test_questions_that_cannot_be_answered_teach_nothing(tmp_path):
    rows = [{"video_id": n, "question": "who?", "answer": word} for n, word in enumerate(["Man", "zebra", "dog"])]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (tmp_path / "a.json").write_text('{"dog": 0, "man": 1}', "utf-8")
    taught = read_question_list(tmp_path / "q.jsonl", "/v", format="msrvtt-qa", answers=tmp_path / "a.json")
    assert [sample.label for sample in taught] == [1, 0] and taught.classes == ("dog", "man")
    assert taught[0].captions == ("who?",) and taught[0].path == "/v/video0.mp4"
