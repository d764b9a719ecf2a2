"""What a run is said to cost: what networks look at is in it, once, and only what they have not looked at yet."""

import pytest
import torch

from internvideo.errors import UsageError
from internvideo.jobs.curate import curate, estimate
from internvideo.jobs.estimate import ASSUMED_FLOPS, SHOT_SECONDS, say_estimate
from internvideo.jobs.models import show
from internvideo.store.dataset import Dataset
from tests.curation.test_caption_stage import RECIPE, film


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "recipe.py").write_text(RECIPE)
    for name, luma in (("a.mp4", 40), ("b.mp4", 90)):
        film(tmp_path / "films" / name, (luma, 200))
    return tmp_path


def test_a_network_is_told_with_its_operations_and_again_only_for_what_it_has_not_seen(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    torch.save({"weight": torch.ones(1, 32), "bias": torch.zeros(1)}, folder / "head.pth")
    more = ["match.model=viclip-tiny", f"aesthetic.head={folder / 'head.pth'}", "aesthetic.model=clip-l-14-debug"]

    def cost(*also):
        return estimate([folder / "films"], folder / "dataset", recipe=str(folder / "recipe.py"), overrides=also)

    plain, both = cost(), cost(*more)
    assert plain.networks == () and len(both.networks) == 2 and "network" in say_estimate(both)
    tiny, large = show("viclip-tiny"), show("clip-l-14-debug")
    clips = both.seconds_of_video / SHOT_SECONDS  # the recipe has no windows
    work = tiny["cost"]["flops"] + large["cost"]["flops"] / large["preprocess"]["frame_count"] * 4
    assert both.cpu_seconds - plain.cpu_seconds == pytest.approx(clips * work / ASSUMED_FLOPS)
    how = {"recipe": str(folder / "recipe.py"), "workers": 1, "quiet": True}
    curate([folder / "films"], folder / "dataset", **how)
    later = cost(*more[:1])
    assert later.files == later.frames == 0 and later.networks == both.networks[:1] and later.wall_seconds > 0
    curate([folder / "films"], folder / "dataset", overrides=more[:1], **how)
    assert any(name.startswith("embedding-") for name in Dataset(folder / "dataset").operators())
    assert cost(*more[:1]).networks == ()
    film(folder / "films" / "c.mp4", (10, 70))
    new = cost(*more[:1])
    assert new.files == 1 and len(new.networks) == 1 and new.networks != both.networks[:1]
    on_gpu = cost(*more, "match.device=cuda", "aesthetic.device=cuda")
    assert all(line.endswith("on cuda") for line in on_gpu.networks)
    with pytest.raises(UsageError, match="unknown network"):
        cost("match.model=viclip-tinny")
