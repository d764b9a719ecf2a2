"""LAION's head gives the scores that its own linear algebra gives, and nothing else is taken for a head."""

import json

import numpy as np
import pytest
import torch

from internvideo.models.aesthetic_head import read_head
from internvideo.models.renaming import WeightsError


def test_the_published_head_scores_real_embeddings_as_stated(shared):
    folder = shared / "data" / "evaluators" / "aesthetic_head"
    expected = json.loads((folder / "expected" / "expected.json").read_text())
    head = read_head(folder / "predictions" / expected["weights"])
    for name, facts in expected["scores"].items():
        vector = np.load(folder / "predictions" / name).reshape(-1).astype(np.float64)
        assert len(vector) == facts["dim"] == len(head.weight)
        assert head(vector) == pytest.approx(facts["score_after_l2_normalisation"], abs=1e-4)
        assert vector @ head.weight + head.bias == pytest.approx(facts["score_as_stored"], abs=1e-4)
        assert head(np.stack([vector, 3 * vector])[None]).shape == (1, 2)
        assert head(3 * vector) == pytest.approx(float(head(vector)), abs=1e-9), "the length says nothing"


@pytest.mark.parametrize(
    "weights",
    [
        {"weight": torch.zeros(2, 8), "bias": torch.zeros(2)},
        {"weight": torch.zeros(1, 8)},
        {"weight": torch.zeros(8), "bias": torch.zeros(1)},
        {"weight": torch.zeros(1, 8), "bias": torch.zeros(1), "more": torch.zeros(1)},
    ],
)
def test_what_is_no_head_is_refused(weights, tmp_path):
    torch.save(weights, tmp_path / "head.pth")
    with pytest.raises(WeightsError, match="no aesthetic head"):
        read_head(tmp_path / "head.pth")
