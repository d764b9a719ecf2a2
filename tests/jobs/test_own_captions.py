"""`internvideo caption --model`: a sentence per video; a broken one stops no other."""

import json

from internvideo.app.cli import main


def test_captions_of_a_network_of_ours(clips, tmp_path, capsys):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    videos = [str(clips / "00000.mp4"), str(broken), str(clips / "00001.mp4")]
    assert main(["caption", *videos, "--model", "viclip-tiny-debug", "--json"]) == 1
    told = capsys.readouterr()
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [row["video"] for row in rows] == [videos[0], videos[2]]
    assert all(row["captions"][0]["scale"] == "clip" for row in rows)
    assert "broken.mp4" in told.err and "laboratory model" in told.err
    assert main(["caption", videos[0], "--model", "viclip-b-16-debug"]) == 2
    assert "writes no captions" in capsys.readouterr().err
