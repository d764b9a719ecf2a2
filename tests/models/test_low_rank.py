"""Low-rank differences: nothing at first, everything else frozen, merged without a trace, kept in a small file."""

import pytest
import torch

from internvideo.errors import UsageError
from internvideo.models import MODELS
from internvideo.models.low_rank import LowRank, adapt, load_differences, merge, save_differences
from internvideo.models.renaming import WeightsError

NAMES = ["viclip-b-16-debug", "videomae-b-16-debug", "uniformerv2-b-16-debug"]


def network(name, seed=0):
    torch.manual_seed(seed)
    return MODELS[name]().eval()


def answer(model):
    video = torch.randn(2, 3, 4, 64, 64, generator=torch.Generator().manual_seed(1))
    return (model.encode_video(video) if hasattr(model, "encode_text") else model(video)).detach()


def moved(model):
    """As if something had been learned."""
    for name, parameter in model.named_parameters():
        if name.endswith(".up"):
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_differences_begin_at_nothing_and_merge_to_what_they_were(name):
    model = network(name)
    keys, before = list(model.state_dict()), answer(model)
    layers = adapt(model, LowRank(rank=2))
    assert len(layers) >= 4
    torch.testing.assert_close(answer(model), before, rtol=0, atol=1e-6)
    learned = answer(moved(model))
    assert (learned - before).abs().max() > 1e-4
    merge(model)
    assert list(model.state_dict()) == keys
    torch.testing.assert_close(answer(model), learned, rtol=1e-4, atol=1e-5)


def test_adapted_weights_are_frozen_and_get_no_gradient():
    model = network("videomae-b-16-debug")
    names = adapt(model, LowRank(rank=2))
    model.requires_grad_(True)
    model = network("videomae-b-16-debug")
    assert adapt(model, LowRank(rank=2)) == names
    model(torch.randn(1, 3, 4, 64, 64)).sum().backward()
    layer = model.get_submodule(names[0])
    originals = [p for n, p in layer.named_parameters() if n.endswith("original")]
    assert originals and all(not p.requires_grad and p.grad is None for p in originals)
    assert sum(p.requires_grad for n, p in model.named_parameters() if n.endswith((".up", ".down"))) == 2 * len(names)


def test_a_file_of_differences_is_small_and_fits_only_its_own_network(tmp_path):
    path, config = tmp_path / "d.safetensors", LowRank(rank=2, scale=3.0)
    model = network(NAMES[0])
    adapt(model, config)
    learned = answer(moved(model))
    save_differences(model, path, config)
    assert path.stat().st_size < 0.1 * sum(p.nbytes for p in model.parameters())
    again = network(NAMES[0])
    assert load_differences(again, path) == config
    assert torch.equal(answer(again), learned)
    with pytest.raises(WeightsError, match="another network"):
        load_differences(network("uniformerv2-b-16-debug"), path)
    (tmp_path / "no.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError):
        load_differences(again, tmp_path / "no.safetensors")


def test_a_pattern_that_finds_nothing_is_an_error():
    with pytest.raises(UsageError, match="no linear layer is called `atention`"):
        adapt(network(NAMES[0]), LowRank(layers="atention"))
    with pytest.raises(UsageError, match="rank 0"):
        LowRank(rank=0)
