"""Operators of other packages: found by their entry point, run in workers, named when they are not there."""

import subprocess
import sys

import pytest

from internvideo.curation.presets import DEFAULT
from internvideo.errors import UsageError
from internvideo.jobs.curate import recipe_of
from internvideo.jobs.more_operators import plugin, with_more_operators
from internvideo.store.dataset import Dataset
from tests.curation.toys import grey_film

STUB = '''
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from internvideo.curation.operator import FrameRequest, clip_rows


@dataclass(frozen=True)
class Nudity:
    """A stand-in: the share of bright pixels in the middle frame."""

    name: str = "nsfw"
    version: ClassVar[int] = 1
    grain: ClassVar[str] = "clip"
    needs: ClassVar[tuple] = ("clips",)
    frames: ClassVar[FrameRequest] = FrameRequest(per_clip=1, size=32)
    columns: ClassVar[pa.Schema] = pa.schema([("share", pa.float32())])

    def process(self, subject):
        spans = zip(subject.rows["clips"]["start"].to_pylist(), subject.rows["clips"]["end"].to_pylist())
        rows = [
            {"start": a, "end": b, "share": float((p > 90).mean())}
            for (a, b), p in zip(spans, subject.pictures)
        ]
        return clip_rows(subject, self.columns, rows)


def broken():
    raise ImportError("no weights here")
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that registers three plug-ins."""
    site = tmp_path / "site"
    (site / "stub_plugin-1.0.dist-info").mkdir(parents=True)
    (site / "stub_plugin.py").write_text(STUB)
    (site / "stub_plugin-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: stub-plugin\nVersion: 1.0\n"
    )
    (site / "stub_plugin-1.0.dist-info" / "entry_points.txt").write_text(
        "[internvideo.operators]\nnsfw = stub_plugin:Nudity\nbroken = stub_plugin:broken\nnothing = builtins:dict\n"
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=":")
    yield site
    sys.modules.pop("stub_plugin", None)


def test_a_plug_in_scores_clips_in_a_run(package, tmp_path):
    (tmp_path / "films").mkdir()
    grey_film(tmp_path / "films" / "a.mp4", levels=(20, 120))
    words = [sys.executable, "-m", "internvideo", "curate", str(tmp_path / "films"), "--out", str(tmp_path / "dataset")]
    words += ["--workers", "1", "plugins=nsfw", "views.default.also=nsfw_share < 0.5"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    dataset = Dataset(tmp_path / "dataset")
    shares = dataset.rows("nsfw")["share"].to_pylist()
    assert min(shares) == 0.0 and max(shares) == 1.0
    funnel = {step["rule"]: step["in"] - step["kept"] for step in dataset.view_description("default")["funnel"]}
    assert "nsfw_share < 0.5" in funnel


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        ("nsfv", "no plug-in is called `nsfv`", "did you mean `nsfw`?"),
        ("broken", "no weights here", "update it"),
        ("nothing", "gives dict, no operator", "CONTRIBUTING"),
    ],
)
def test_what_cannot_be_used_is_named(package, name, problem, hint):
    with pytest.raises(UsageError) as caught:
        plugin(name)
    assert problem in caught.value.problem and hint in caught.value.hint


def test_recipes_without_them_stay_as_they_are():
    assert with_more_operators(DEFAULT) == DEFAULT
    assert recipe_of("default", ["plugins=a,b"]).plugins == ("a", "b")
