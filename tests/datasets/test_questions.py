"""Lists of questions: fixtures of the published formats, real files completely, and what cannot be asked."""

import json

import pytest

from internvideo.datasets.lists import BadList
from internvideo.datasets.questions import QUESTION_READERS, read_answers


def written(path, text):
    path.write_text(text, "utf-8")
    return path


def read(name, path, **options):
    return QUESTION_READERS[name](path, "/root", **options)


def test_msrvtt_choice_counts_from_0(tmp_path):
    rows = [{"clip_name": "video7010", "options": list("abcde"), "answer": 4}] * 2
    first, second = read("msrvtt-mc", written(tmp_path / "q.jsonl", "\n".join(map(json.dumps, rows))))
    assert (first.id, second.id, first.answer, first.options) == ("video7010", "video7010#1", 4, tuple("abcde"))
    assert first.sample.path == "/root/video7010.mp4"


def test_lsmdc_choice_counts_from_1_in_the_file(tmp_path):
    clip = "0001_American_Beauty_00.00.51.926-00.00.54.129"
    line = "\t".join([clip, "1", "2", "3", "4", *"abcde", "5"]) + "\n"
    (one,) = read("lsmdc-mc", written(tmp_path / "q.csv", line))
    assert one.answer == 4 and one.options == tuple("abcde")
    assert one.sample.path == f"/root/0001_American_Beauty/{clip}.avi"
    with pytest.raises(BadList, match=r"line 2 .* has 3 of 11 columns"):
        read("lsmdc-mc", written(tmp_path / "q.csv", line + "a\tb\tc\n"))
    with pytest.raises(BadList, match="there is no option -1 among 5"):
        read("lsmdc-mc", written(tmp_path / "q.csv", line.replace("\t5\n", "\t0\n")))


def test_open_questions_of_three_lists(tmp_path):
    row = {"video_id": "video6513", "question": "what is a man doing?", "answer": "cook"}
    (one,) = read("msrvtt-qa", written(tmp_path / "a.jsonl", json.dumps(row | {"answer_type": "what"})))
    assert (one.sample.path, one.text, one.answer, one.kind) == ("/root/video6513.mp4", row["question"], "cook", "what")
    (one,) = read("msrvtt-qa", written(tmp_path / "a.jsonl", json.dumps(row | {"video_id": 6513})))
    assert one.sample.path == "/root/video6513.mp4"
    (tmp_path / "msvd_youtube_mapping.txt").write_text("-4wsuPCjDBc_5_15 vid1\n", "utf-8")
    msvd = written(tmp_path / "b.json", json.dumps([row | {"video_id": 1}, row | {"video_id": 1}]))
    assert [one.sample.path for one in read("msvd-qa", msvd)] == ["/root/-4wsuPCjDBc_5_15.avi"] * 2
    with pytest.raises(BadList, match="has no `vid9`"):
        read("msvd-qa", written(tmp_path / "b.json", json.dumps([row | {"video_id": 9}])))
    tgif = {"gif_name": "tumblr_x", "question": "What does the cat do?", "answer": 2, "options": list("vwxyz")}
    (one,) = read("tgif-action", written(tmp_path / "c.jsonl", json.dumps(tgif)))
    assert one.answer == 2 and one.sample.path == "/root/tumblr_x.gif" and one.kind == "what"


def test_vocabularies(tmp_path):
    assert read_answers(written(tmp_path / "a.json", '{"dog": 1, "man": 0}')) == ("man", "dog")
    assert read_answers(written(tmp_path / "a.txt", "\ufeffman\r\ndog\r\n")) == ("man", "dog")
    with pytest.raises(BadList, match="does not number 2 answers from 0 on"):
        read_answers(written(tmp_path / "a.json", '{"dog": 2, "man": 0}'))


HEADER = "video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("1,9,9,9,why,1,6,CW,a,b,c,d,e\n1,9,9,9,why,1,6,CW,a,b,c,d,e\n", "1_6 comes twice"),
        ("1,9,9,9,why,7,6,CW,a,b,c,d,e\n", "there is no option 7 among 5"),
        ("1,9,9,9,why,1,6,CW,a,,c,d,e\n", "1_6: an empty text"),
        ("1,9,9,9,why,1,6,CW,a,b\n", "line 2 .* has 10 of 13 columns"),
        ("", "holds no questions"),
    ],
)
def test_what_cannot_be_asked_is_told(tmp_path, rows, told):
    with pytest.raises(BadList, match=told):
        read("nextqa", written(tmp_path / "q.csv", HEADER + rows))


def test_byte_order_mark_and_windows_lines(tmp_path):
    path = tmp_path / "q.csv"
    path.write_bytes(("\ufeff" + HEADER + "1,9,9,9,why,1,6,CW,a,b,c,d,e\n").replace("\n", "\r\n").encode())
    (one,) = read("nextqa", path)
    assert (one.id, one.options[-1], one.kind) == ("1_6", "e", "causal/why")


def test_nextqa_reads_completely(shared):
    lists = shared / "data/annotations"
    name = "nextqa/test_part.csv"
    manifest = json.loads((lists / "MANIFEST.json").read_text())
    found = read("nextqa", lists / name)
    assert len(found) == next(entry["rows"] for entry in manifest if entry["file"] == name) == 6025
    assert all(len(one.options) == 5 and one.answer in range(5) for one in found)
    assert {one.kind.partition("/")[0] for one in found} == {"causal", "temporal", "descriptive"}
