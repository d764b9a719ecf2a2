"""The zoo holds what the papers published, under names that fit our networks."""

import re

import pytest

from internvideo.errors import UsageError
from internvideo.models import MODELS
from internvideo.models.fetch import SUFFIXES
from internvideo.models.zoo import ZOO, checkpoints_of, find_checkpoint


@pytest.mark.parametrize("name", ZOO)
def test_every_checkpoint_has_a_network_or_says_what_it_waits_for(name):
    checkpoint = ZOO[name]
    assert checkpoint.name == name
    assert bool(checkpoint.model) + bool(checkpoint.needs) + bool(checkpoint.head_of) == 1
    assert {checkpoint.model, checkpoint.head_of} <= {"", *MODELS}
    assert name.startswith(checkpoint.model)


def test_no_two_checkpoints_share_a_name_or_an_address():
    addresses = [address for checkpoint in ZOO.values() for address in checkpoint.addresses]
    assert len(set(addresses)) == len(addresses)
    from internvideo.models import zoo

    makers = (zoo._clip, zoo._aesthetic, zoo._viclip, zoo._internvideo_mm, zoo._uniformerv2, zoo._videomae)
    assert sum(len(list(maker())) for maker in makers) == len(ZOO)


@pytest.mark.parametrize("name", ZOO)
def test_a_stated_hash_is_the_one_in_the_publishers_address(name):
    checkpoint = ZOO[name]
    if checkpoint.sha256:
        assert re.fullmatch("[0-9a-f]{64}", checkpoint.sha256)
        assert all(checkpoint.sha256 in address for address in checkpoint.addresses)


def test_every_address_of_weights_in_the_published_tables_is_in_the_zoo(shared):
    text = "\n".join(path.read_text("utf-8") for path in sorted((shared / "seeds").glob("*.txt")))
    published = set(re.findall(r"https?://[^\s)|\]]+", text))
    weights = {url for url in published if url.endswith((*SUFFIXES, "_ft.sh")) and "pytorch_opt" not in url}
    weights |= {url for url in published if "sharepoint" in url}
    assert len(weights) > 30
    known = {address for checkpoint in ZOO.values() for address in checkpoint.addresses}
    assert weights - known == set()


def test_there_are_eight_variants_of_viclip_and_none_may_be_used_commercially():
    variants = [c for c in ZOO.values() if c.model.startswith("viclip")]
    assert len(variants) == 8
    assert all(c.licence.commercial is False for c in variants)
    assert all(c.licence.name == "MIT" and c.licence.commercial for c in ZOO.values() if c.model.startswith("clip-"))


def test_the_bare_name_of_a_network_means_its_first_checkpoint():
    assert find_checkpoint("viclip-l-14").name == "viclip-l-14-flt"
    assert find_checkpoint("clip-b-16").sha256
    assert {c.model for c in checkpoints_of("viclip-b-16")} == {"viclip-b-16"}


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(UsageError) as caught:
        find_checkpoint("viclip-b-16-fltt")
    assert "viclip-b-16-flt" in caught.value.hint
