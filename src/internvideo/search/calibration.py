"""From a score to how likely a moment is what was asked for.

A cosine means little by itself: texts and pictures of one network lie at its own distances. What tells is how far the
score stands above what the same moment scores with sentences that have nothing to do with it (its `usual` score and
their `spread`). A logistic curve makes a probability of both. For networks without measured constants the curve asks
for three spreads, as a rule of thumb; the answer then says that it is not calibrated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

CUT_OFF = 0.5  # moments less likely than this are not shown
# Sentences about as many things as possible, for networks that know the world.
UNRELATED = (
    "a cat sleeping on a sofa", "a man playing the guitar on stage", "an aerial view of a city at night",
    "waves breaking on a sandy beach", "a chef chopping vegetables in a kitchen", "a crowded street market",
    "a football match in a stadium", "snow falling in a pine forest", "a woman reading a book by a window",
    "a train arriving at a station", "a close-up of a flower with a bee", "a car driving through a desert",
    "children playing in a park", "a surgeon in an operating room", "a cartoon character talking",
    "a screen recording of a spreadsheet", "fireworks over a river", "a dog running after a ball",
    "a person skiing down a slope", "a horse in a green field", "a news presenter at a desk",
    "a couple dancing at a wedding", "an airplane taking off", "a bowl of soup with noodles",
    "a child drawing with crayons", "a construction site with a crane", "a lion resting in the grass",
    "hands kneading dough", "a swimmer diving into a pool", "a classroom full of students",
    "a black screen with white text", "a shop window with clothes", "a boat on a calm lake",
    "a man lifting weights in a gym", "a bicycle race through a village", "a volcano with lava",
    "a fish swimming in an aquarium", "an old castle on a hill", "a robot arm in a factory",
    "a person typing on a laptop", "a traffic jam on a motorway", "a painting being restored",
    "a bird feeding its chicks", "a rock concert with a light show", "a judge in a courtroom",
    "a campfire under the stars", "a baby learning to walk", "a waterfall in the jungle",
)  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """probability = 1 / (1 + exp(-(cosine * by_cosine + z * by_z + constant))), z = (cosine - usual) / spread."""

    by_cosine: float
    by_z: float
    constant: float
    measured: bool = False

    def probability(self, cosine: np.ndarray, usual: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """All (n,) -> (n,) float64 in (0, 1)."""
        z = (cosine - usual) / np.maximum(spread, 1e-4)
        return np.asarray(1 / (1 + np.exp(-np.clip(cosine * self.by_cosine + z * self.by_z + self.constant, -60, 60))))


THUMB = Curve(0.0, 2.0, -6.0)  # even odds at three spreads above the usual score
ALIKE = Curve(0.0, 10.0, -6.0)  # two moments; z is how far they are on the way from any two of the index to equal
# Measured on 200 moments of training worlds of `moving_shapes`: benchmarks/search_quality.py --fit.
CURVES: Mapping[str, Curve] = {"viclip-tiny": Curve(46.23, 0.712, -39.70, measured=True)}


def curve_of(model: str) -> Curve:
    """For texts, by the name of the network."""
    return CURVES.get(model, THUMB)


def fit(cosine: np.ndarray, usual: np.ndarray, spread: np.ndarray, right: np.ndarray) -> Curve:
    """Maximum likelihood by Newton's method, pulled a little to zero: (n,) each; right: whether it was the answer."""
    z = (cosine - usual) / np.maximum(spread, 1e-4)
    facts = np.column_stack([cosine, z, np.ones(len(z))])
    scale = np.maximum(np.abs(facts).std(axis=0), 1e-6)
    scale[2] = 1.0
    x, weights = facts / scale, np.zeros(3)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (right - p) - 1e-3 * weights
        bend = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(3)
        weights += np.linalg.solve(bend, slope)
    by_cosine, by_z, constant = (float(value) for value in weights / scale)
    return Curve(by_cosine, by_z, constant, measured=True)
