"""What a browser makes of the report: it opens from the disk, alone, with no error and no question to the network."""

import re
import shutil
import subprocess

import pytest

from tests.e2e.conftest import run_cli

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]


def browse(page, profile, *options):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
    command += ["--enable-logging=stderr", "--window-size=1300,2400", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=170, check=True)


def test_the_report_opens_alone_and_shows_what_it_was_made_from(films, tmp_path):
    dataset = tmp_path / "dataset"
    run_cli("curate", films, "--out", dataset, check=1)
    run_cli("dataset", "report", dataset, check=0)
    page = dataset / "report.html"
    seen = browse(page, tmp_path / "profile", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom")
    assert "CONSOLE" not in seen.stderr, seen.stderr
    assert {"Funnel", "Failures", "broken-empty.mp4"} <= set(
        re.findall(r"Funnel|Failures|broken-empty\.mp4", seen.stdout)
    )
    assert not re.findall(r"(?:src|href)=\"(?:https?:|//|file:)", seen.stdout), "it needs nothing beside it"
    assert len(re.findall(r"<img [^>]*src=\"data:image/", seen.stdout)) >= 8
    picture = tmp_path / "report.png"
    browse(page, tmp_path / "profile", f"--screenshot={picture}")
    from PIL import Image

    with Image.open(picture) as shown:
        assert shown.size == (1300, 2400)
        colours = shown.convert("RGB").resize((130, 240)).getcolors(31_200)
    assert len(colours) > 50, "the page is not blank"
