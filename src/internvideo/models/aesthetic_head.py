"""The linear head that LAION trained to say how beautiful a picture is, over CLIP's vector of it.

Source: github.com/LAION-AI/aesthetic-predictor (`sa_0_4_<network>_linear.pth`), trained on ratings from 1 to 10.
"""

from pathlib import Path

import numpy as np

from internvideo.models.renaming import WeightsError
from internvideo.models.weights import read_weights, shown

NAMES = {"clip-l-14": "aesthetic-l-14", "clip-b-32": "aesthetic-b-32", "clip-b-16": "aesthetic-b-16"}  # in the zoo


class AestheticHead:
    """weight: (D,) float64; bias: of the one output."""

    def __init__(self, weight: np.ndarray, bias: float) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """(..., D), of any length but zero -> (...) float64, about 1 (ugly) to 10. They are brought to unit length."""
        vectors = np.asarray(vectors, np.float64)
        unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
        scores: np.ndarray = unit @ self.weight + self.bias
        return scores


def read_head(path: Path) -> AestheticHead:
    """Raises WeightsError for a file that holds anything but one linear layer with one output."""
    weights = read_weights(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if (
        set(shapes) != {"weight", "bias"}
        or len(shapes["weight"]) != 2
        or (shapes["weight"][0], *shapes["bias"]) != (1, 1)
    ):
        told = ", ".join(f"{name} {shape}" for name, shape in list(shapes.items())[:4])
        raise WeightsError(
            f"{shown(path)} is no aesthetic head: it holds {told}",
            "a head is `weight` (1, D) and `bias` (1,); `internvideo models fetch aesthetic-l-14` fetches LAION's",
        )
    return AestheticHead(weights["weight"][0].double().numpy(), float(weights["bias"][0]))
