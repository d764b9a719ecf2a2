"""The doctor tells the truth about this machine, and about one on which things are missing."""

import json
import subprocess
import sys

import pytest

from internvideo.jobs import doctor as doctoring
from internvideo.jobs.doctor import Check, Report, doctor


@pytest.fixture(scope="module")
def report():
    return doctor()


def test_this_machine_works(report):
    assert report.exit_code == 0
    named = {check.name: check for check in report.checks}
    assert named["av"].ok and "libavcodec" in named["av"].value
    assert named["self-test libx264"].ok and named["decoder h264"].ok and named["sqlite"].ok
    assert named["memory"].ok == (doctoring.memory_bytes() >= 2 * doctoring.GIB)
    assert set(doctoring.NEEDED) <= set(named)


def test_every_trouble_has_advice_and_every_name_comes_once(report):
    assert all(bool(check.hint) != check.ok for check in report.checks)
    assert len({check.name for check in report.checks}) == len(report.checks)


def test_the_rows_are_json_and_the_text_says_the_same(report):
    row = json.loads(json.dumps(report.as_row()))
    assert row["works"] is True and len(row["checks"]) == len(report.checks)
    text = report.as_text()
    assert text.splitlines()[-1] == "the core works"
    assert all(check.name.partition(" ")[0] in text for check in report.checks)


def test_a_missing_core_package_is_the_end_a_missing_extra_is_not():
    well = [Check(name, "there", True) for name in doctoring.NEEDED]
    assert Report((*well, Check("extra codec", "missing", False, "pip install it"))).exit_code == 0
    for name in doctoring.NEEDED:
        ill = Report(
            (*[check for check in well if check.name != name], Check(name, "missing", False, "pip install it"))
        )
        assert ill.exit_code == 3
        assert f"NO  {name}" in ill.as_text() and "-> pip install it" in ill.as_text()


def test_a_reader_that_gives_wrong_frames_is_found_out(monkeypatch):
    monkeypatch.setattr(doctoring, "_number", lambda picture: 3)
    named = {check.name: check for check in doctor().checks}
    assert "asked for" in named["self-test mjpeg"].value and not named["self-test"].ok


def test_an_encoder_that_fails_is_told_not_raised(monkeypatch):
    monkeypatch.setattr(doctoring, "ENCODERS", (("libx264", "mp4", "no such layout", {}),))
    checks = {check.name: check for check in doctor().checks}
    assert not checks["self-test libx264"].ok and checks["self-test libx264"].value


def test_the_command_prints_only_its_report():
    done = subprocess.run(
        [sys.executable, "-m", "internvideo", "doctor", "--json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["works"] is True
