"""The main job through the real command line: from a folder of films, good and bad, to exports and a report."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from internvideo.datasets.frame_shards import read_frame_shards
from internvideo.video.render import write_video
from tests.e2e.conftest import run_cli, value_files


@pytest.fixture(scope="module")
def curated(films, tmp_path_factory):
    dataset = tmp_path_factory.mktemp("curated") / "dataset"
    done = run_cli("curate", films, "--out", dataset, "--json", check=1)
    return dataset, json.loads(done.stdout), done.stderr


def test_the_summary_counts_what_the_world_is_known_to_hold(films, curated):
    _, summary, _ = curated
    truth = json.loads((films / "truth.json").read_text())
    broken = {Path(failure["name"]).name for failure in summary["failures"]}
    assert broken == {path.name for path in films.glob("broken-*")}
    assert summary["copies"] == 1
    assert summary["videos"] == len(truth["films"]) - 1, "the byte copy is the same video"
    assert summary["kept"] > 0 and summary["captions"] > 0 and summary["duplicate_groups"] > 0
    steps = summary["funnel"]
    assert steps[0]["in"] == summary["clips"] and steps[-1]["kept"] == summary["kept"]
    assert all(before["kept"] == after["in"] for before, after in itertools.pairwise(steps))


def test_the_cost_is_told_before_and_the_rate_after(curated):
    _, summary, talk = curated
    assert "frames to decode" in talk and "CPU" in talk
    assert summary["rates"]["frames_per_second"] > 0


def test_running_again_does_zero_work_and_changes_no_file(films, curated):
    dataset, summary, _ = curated
    before = value_files(dataset)
    again = json.loads(run_cli("curate", films, "--out", dataset, "--json", check=1).stdout)
    assert again["done_now"] == 0 and again["rates"] == {}
    assert value_files(dataset) == before
    assert {k: again[k] for k in ("clips", "kept", "funnel")} == {k: summary[k] for k in ("clips", "kept", "funnel")}


def test_another_threshold_decodes_nothing(films, curated, tmp_path):
    dataset = tmp_path / "copy"
    shutil.copytree(curated[0], dataset)
    words = ("curate", films, "--out", dataset, "--json", "views.default.per_source_cap=1")
    changed = json.loads(run_cli(*words, check=1).stdout)
    assert changed["done_now"] == 0
    assert 0 < changed["kept"] < curated[1]["kept"]


def test_the_dataset_answers_questions(films, curated):
    dataset = curated[0]
    assert run_cli("dataset", "verify", dataset, check=0).stdout.strip().endswith("sound")
    status = json.loads(run_cli("dataset", "status", dataset, "--json", check=0).stdout)
    assert status["clip_sets"]["shots"] == curated[1]["clips"]
    assert all(one["due"] == 0 for one in status["operators"])
    film = next(films.glob("film-00.*4"))
    answer = json.loads(run_cli("dataset", "why", dataset, f"{film}@2.0", "--json", check=0).stdout)
    assert answer["clip"] and any(one["name"] == "motion" for one in answer["operators"])
    wrong = run_cli("dataset", "why", dataset, "film-0.mp4", check=3)
    assert "hint:" in wrong.stderr and "Traceback" not in wrong.stderr


def test_exports_and_report_come_out_of_a_view(curated, tmp_path):
    dataset, summary, _ = curated
    run_cli("dataset", "export", dataset, "--format", "internvid", "--out", tmp_path / "iv", check=0)
    rows = [json.loads(line) for line in (tmp_path / "iv" / "internvid.jsonl").read_text().splitlines()]
    assert len(rows) == summary["kept"]
    assert list(rows[0])[:3] == ["YoutubeID", "Start_timestamp", "End_timestamp"]
    run_cli("dataset", "export", dataset, "--format", "frames", "--out", tmp_path / "frames", check=0)
    shards = read_frame_shards(tmp_path / "frames")
    assert len(shards) == summary["kept"] and shards.captioned == sum(bool(row["Caption"]) for row in rows)
    link = run_cli("dataset", "report", dataset, check=0).stdout.strip()
    page = (dataset / "report.html").read_text()
    assert link == (dataset / "report.html").resolve().as_uri()
    assert "<html" in page and "http://" not in page.replace("http://www.w3.org", "")


def test_a_typo_in_the_recipe_names_the_nearest_key(films, tmp_path):
    wrong = run_cli("curate", films, "--out", tmp_path / "d", "operators.shots.treshold=3", check=2)
    assert "threshold" in wrong.stderr and "Traceback" not in wrong.stderr
    wrong = run_cli("curate", films, "--out", tmp_path / "d", "--recipe", "internvids", check=2)
    assert "internvid" in wrong.stderr
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["curat"], 2),
        (["curate"], 2),
        (["curate", "/nowhere/at/all", "--out", "x"], 2),
        (["dataset", "status", "."], 3),
    ],
)
def test_wrong_words_get_a_hint_and_their_exit_code(words, code, tmp_path):
    done = run_cli(*words, check=code, cwd=tmp_path)
    assert "hint:" in done.stderr and "Traceback" not in done.stderr


def test_a_folder_of_nothing_but_bad_files_is_exit_code_3_and_a_sound_dataset(tmp_path):
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "zero.mp4").write_bytes(b"")
    (bad / "text.mkv").write_text("hello")
    done = run_cli("curate", bad, "--out", tmp_path / "d", check=3)
    assert "zero.mp4" in done.stdout and "text.mkv" in done.stdout and "not-a-video" in done.stdout
    run_cli("dataset", "verify", tmp_path / "d", check=0)


@pytest.mark.slow
def test_a_full_disk_is_told_and_what_was_done_is_kept(films, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        done = run_cli("curate", films, "--out", disk / "dataset")
        assert done.returncode == 3 and "no space left" in done.stderr and "Traceback" not in done.stderr, done.stderr
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        run_cli("curate", films, "--out", disk / "dataset", check=1)
        run_cli("dataset", "verify", disk / "dataset", check=0)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def as_plain_user(*words, check):
    """The command without root's right to read and write everything."""
    if os.name != "posix":
        pytest.skip("permissions are those of POSIX")
    rights = "-dac_override,-dac_read_search"
    drop = [] if os.geteuid() else ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]
    if drop and not shutil.which("setpriv"):
        pytest.skip("root may read and write everything, and there is no setpriv to give that up")
    command = [*drop, sys.executable, "-m", "internvideo", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == check and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done


def test_a_read_only_output_is_told(films, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    assert "hint:" in as_plain_user("curate", films, "--out", tmp_path / "locked" / "dataset", check=3).stderr


def test_a_dataset_that_became_read_only_is_told_and_stays_sound(curated, films, tmp_path):
    dataset = tmp_path / "dataset"
    shutil.copytree(curated[0], dataset)
    folders = [dataset, *(path for path in dataset.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        refused = as_plain_user("curate", films, "--out", dataset, "operators.shots.threshold=9", check=3)
        assert "hint:" in refused.stderr
        as_plain_user("dataset", "status", dataset, check=0)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    run_cli("dataset", "verify", dataset, check=0)


def test_files_and_folders_that_may_not_be_read_are_named_and_the_rest_is_done(tmp_path):
    source = tmp_path / "films"
    (source / "closed").mkdir(parents=True)
    write_video(
        tmp_path / "good.mp4", [np.full((48, 64, 3), level, np.uint8) for level in range(0, 240, 8)], fps=Fraction(10)
    )
    for name in ("good.mp4", "secret.mp4"):
        shutil.copy(tmp_path / "good.mp4", source / name)
    (source / "secret.mp4").chmod(0)
    (source / "closed").chmod(0)
    try:
        done = as_plain_user("curate", source, "--out", tmp_path / "d", "--json", check=1)
    finally:
        (source / "closed").chmod(0o755)
    summary = json.loads(done.stdout)
    assert {(Path(one["name"]).name, one["kind"]) for one in summary["failures"]} == {
        ("secret.mp4", "unreadable"),
        ("closed", "unreadable"),
    }
    assert summary["videos"] == 1


@pytest.mark.slow
def test_every_hard_file_is_either_curated_or_named(shared, tmp_path):
    manifest = json.loads((shared / "data" / "hard" / "MANIFEST.json").read_text())
    summary = json.loads(run_cli("curate", shared / "data" / "hard", "--out", tmp_path / "d", "--json", check=1).stdout)
    must_fail = {Path(one["file"]).name for one in manifest if one["expected"] == "must raise"}
    assert {Path(one["name"]).name for one in summary["failures"]} == must_fail
    fine = {Path(one["file"]).name for one in manifest if one["expected"] == "ok"}
    assert not fine & {Path(one["name"]).name for one in summary["damaged"]}
    assert summary["videos"] == len(manifest) - len(must_fail)
    run_cli("dataset", "verify", tmp_path / "d", check=0)
