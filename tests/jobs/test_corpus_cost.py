"""The planner for whole corpora against the published figures, and the order of stages against arithmetic by hand."""

import pytest

from internvideo.errors import UsageError
from internvideo.jobs.corpus_cost import Corpus, assumed, captions, one_pass, orders, say_corpus, stages

INTERNVID = assumed("clips=234M,gpus=64")


def test_internvid_costs_what_is_known_of_it():
    by_name = {stage.name: stage for stage in stages(INTERNVID)}
    assert INTERNVID.hours == pytest.approx(760.5e3, rel=1e-3)
    assert one_pass(INTERNVID).core_hours == pytest.approx(54e3, rel=0.01)
    assert by_name["cutting by encoding again"].core_hours == pytest.approx(280e3, rel=0.01)
    assert by_name["captions"].gpu_hours == pytest.approx(33e3, rel=0.01)
    assert by_name["speech"].gpu_hours == pytest.approx(53e3, rel=0.01)
    assert by_name["aesthetics"].gpu_hours == pytest.approx(65, rel=0.01)
    gate = captions(assumed(f"clips=234M,caption_rate={0.85 / 8}"), 234e6)
    assert gate.gpu_hours == pytest.approx(610e3, rel=0.01), "0.85 clips/s of eight GPUs"


def test_captions_last_are_twenty_two_times_cheaper():
    found = orders(INTERNVID)
    assert found[2].clips / found[-1].clips == pytest.approx(22, rel=0.01)
    assert [cost.money(INTERNVID) for cost in found] == sorted((c.money(INTERNVID) for c in found), reverse=True)
    few = assumed("clips=1000,clips_per_video=1,per_video=9")
    assert orders(few)[-1].clips == orders(few)[-2].clips == pytest.approx(1000 * 0.68 * 0.7), "no more than there are"


def test_sizes_scale_and_defaults_stand():
    assert (assumed("clips=1.5k").clips, assumed("").clips) == (1500, Corpus().clips)
    double = assumed("clips=468M,gpus=64")
    for one, two in zip(stages(INTERNVID), stages(double), strict=True):
        assert (two.core_hours, two.gpu_hours) == pytest.approx((2 * one.core_hours, 2 * one.gpu_hours))
    text = say_corpus(INTERNVID)
    assert "1,024 cores, 64 GPUs" in text and "22.0 times fewer" in text


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("clip=3", "`clip`", "did you mean `clips`?"),
        ("clips=many", "no number", "clips=234M"),
        ("gpus=0", "over 0", ""),
    ],
)
def test_what_is_not_understood_is_told(text, problem, hint):
    with pytest.raises(UsageError) as caught:
        assumed(text)
    assert problem in caught.value.problem and hint in caught.value.hint
