"""Lists that are wrong somewhere, through the command line: what is told, what is refused, and what goes on."""

import json

import numpy as np

LEVEL = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]


def run_cli(capsys, *words):
    from internvideo.app.cli import main

    code = main([str(word) for word in words])
    told = capsys.readouterr()
    return code, told.out + told.err


def place(name, x, joined):
    pose = list(LEVEL)
    pose[3] = x
    return {"image_id": name, "pose": pose, "included": True, "unobstructed": joined}


def world(tmp_path, paths):
    """Two islands: a - b, c - d."""
    rows = [
        place("a", 0, [0, 1, 0, 0]),
        place("b", 3, [1, 0, 0, 0]),
        place("c", 9, [0, 0, 0, 1]),
        place("d", 12, [0, 0, 1, 0]),
    ]
    (tmp_path / "s_connectivity.json").write_text(json.dumps(rows))
    episodes = [{"path_id": n, "scan": "s", "path": path, "instructions": ["go"]} for n, path in enumerate(paths)]
    (tmp_path / "episodes.json").write_text(json.dumps(episodes))
    lines = [json.dumps({"id": f"{n}_0", "points": [[0.0], [1.0]]}) for n, path in enumerate(paths) if path[0] == "a"]
    (tmp_path / "walks.jsonl").write_text("\n".join(lines) + "\n")
    return ("evaluate", "navigation", f"graphs={tmp_path}", "--data", tmp_path / "episodes.json",
            "--predictions", tmp_path / "walks.jsonl")  # fmt: skip


def test_episodes_between_islands_are_told_and_left_out(tmp_path, capsys):
    code, told = run_cli(capsys, *world(tmp_path, [["a", "b"], ["a", "d"]]), "--json")
    assert "1 episodes have their goal on another island and are left out: 1_0 in s (2 islands)" in told
    assert json.loads(told[told.index("{") :].splitlines()[0])["SR"] == 100 and code in (0, 1)
    code, told = run_cli(capsys, *world(tmp_path, [["a", "d"]]))
    assert code == 2 and "no episode has a way to its goal; the graph of `s` has 2 islands" in told
    code, told = run_cli(capsys, *world(tmp_path, [["a", "x"]]))
    assert code != 0 and "`s` has no place `x`" in told and "Traceback" not in told


def test_segments_that_are_wrong_are_told_and_features_of_another_length_refused(tmp_path, capsys):
    segments = [[2.0, 5.0], [7.0, 6.0], [4.0, 4.0], [9.0, 30.0], [-3.0, 1.0]]
    rows = [{"label": "run", "segment": each} for each in segments]
    (tmp_path / "list.json").write_text(
        json.dumps({"database": {"v": {"subset": "test", "duration": 10.0, "annotations": rows}}})
    )
    found = {"id": "v", "spans": [[2, 5], [8, 40]], "scores": [0.9, 0.8], "labels": [0, 0]}
    (tmp_path / "found.jsonl").write_text(json.dumps(found) + "\n")
    listed = ("evaluate", "temporal", "--data", tmp_path / "list.json")
    code, told = run_cli(capsys, *listed, "--predictions", tmp_path / "found.jsonl")
    assert code == 0
    for part in ("1 segments end before they start: v [7, 6] of 10 s", "1 segments are empty: v [4, 4]",
                 "2 segments leave the video: v [9, 30] of 10 s; v [-3, 1]",
                 "1 videos have predictions that end behind the video: v"):  # fmt: skip
        assert part in told, part
    (tmp_path / "features").mkdir()
    np.save(tmp_path / "features" / "v.npy", np.zeros((200, 64), np.float32))
    (tmp_path / "features" / "v.npy.json").write_text(json.dumps({"fps": 25, "stride": 4, "window": 16}))
    model = ("--root", tmp_path / "features", "--model", "actionformer-thumos14-debug")
    code, told = run_cli(capsys, *listed, *model)
    assert code != 0 and "200 rows every 4 frames at 25 fps are 32.5 s, but the annotations say 10.0 s" in told
    asked = [{"query": "where", "clip_start_sec": 1.0, "clip_end_sec": 2.0}]
    clip = {"clip_uid": "v", "video_start_sec": 0, "video_end_sec": 10,
            "annotations": [{"annotation_uid": "a", "language_queries": asked}]}  # fmt: skip
    (tmp_path / "nlq.json").write_text(json.dumps({"videos": [{"split": "val", "clips": [clip]}]}))
    words = ("evaluate", "language-queries", "--data", tmp_path / "nlq.json", "--root", tmp_path / "features")
    code, told = run_cli(capsys, *words, "--model", "actionformer-queries-debug")
    assert code != 0 and "are 32.5 s, but the annotations say 10.0 s" in told and "Traceback" not in told


def test_boxes_outside_the_picture_and_unknown_exclusions_are_told(tmp_path, capsys):
    (tmp_path / "ava.csv").write_text("v,2,0.1,0.1,0.5,1.2,1,0\nv,2,0.8,0.1,0.7,0.5,1,1\nv,3,0.1,0.1,0.5,0.5,1,0\n")
    (tmp_path / "gone.csv").write_text("v,0003\nw,0004\n")
    found = {"id": "v,0002", "boxes": [[0.1, 0.1, 0.5, 1.0]], "scores": [0.9], "labels": [1]}
    (tmp_path / "found.jsonl").write_text(json.dumps(found) + "\n")
    words = ("evaluate", "spatial", f"excluded={tmp_path / 'gone.csv'}", "--data", tmp_path / "ava.csv")
    code, told = run_cli(capsys, *words, "--predictions", tmp_path / "found.jsonl")
    for part in ("boxes of 1 keyframes leave the picture; they are cut off: v,0002",
                 "boxes of 1 keyframes have no inside; they are left out: v,0002",
                 "1 excluded keyframes are not in the list: w,0004"):  # fmt: skip
        assert part in told, (part, told)
    assert code in (0, 1) and "Traceback" not in told
