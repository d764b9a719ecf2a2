"""How the answers to several sentences about a class become one score: each family of networks has its rule.

ViCLIP averages similarities, InternVideo-MM probabilities, CLIP embeddings. numpy only.
"""

import numpy as np

from internvideo.metrics.calibration import log_softmax

ENSEMBLES = ("similarities", "probabilities", "embeddings")


def compare(video: np.ndarray, texts: np.ndarray, scale: float, ensemble: str) -> np.ndarray:
    """Log-probabilities of classes: (D,) unit vector, (P, K, D) unit vectors of P sentences per class -> (K,).

    "similarities": one softmax over the mean cosines; "probabilities": the mean of P softmaxes; "embeddings": a
    softmax over the cosines with each class's mean sentence.
    """
    if ensemble == "embeddings":
        mean = texts.mean(axis=0, keepdims=True)
        texts = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
    cosines = texts @ video * scale
    if ensemble == "probabilities":
        each = log_softmax(cosines)
        return np.asarray(np.logaddexp.reduce(each, axis=0) - np.log(len(each)))
    return log_softmax(cosines.mean(axis=0))
