"""A small world to walk in: random graphs of places, each with a coloured shape, and instructions that name the way.

For learning tests: everything is known, test graphs are never those of training. An instruction names what stands at
the places along the way; what is seen towards a place is the code of its shape and colour, with noise.
"""

from dataclasses import dataclass

import numpy as np

from internvideo.datasets.moving_shapes.world import COLOURS, SHAPES
from internvideo.datasets.room_to_room import Episode, House

VIEWS = 12
WORDS = ("<pad>", "<stop>", *COLOURS, *SHAPES)  # of instructions, by number
NOISE = 0.1


@dataclass(frozen=True, eq=False)
class GraphWorld:
    """Graphs, episodes in them, and what is seen (`datasets.walks.Seen`)."""

    houses: dict[str, House]
    episodes: list[Episode]
    views: dict[tuple[str, str], np.ndarray]
    width: int = len(COLOURS) + len(SHAPES)

    def at(self, scan: str, place: str) -> np.ndarray:
        """(VIEWS, width) float32."""
        return self.views[scan, place]


def graph_world(graphs: int, episodes: int, *, seed: int = 0, places: int = 14, steps: int = 4) -> GraphWorld:
    """Graphs of `places` places and `episodes` ways of up to `steps` steps, all drawn by the seed."""
    houses: dict[str, House] = {}
    views: dict[tuple[str, str], np.ndarray] = {}
    looks: dict[str, list[tuple[str, str]]] = {}
    for number in range(graphs):
        rng = np.random.default_rng((seed, number))
        house, look = _house(f"graph-{seed}-{number}", places, rng)
        houses[house.scan], looks[house.scan] = house, look
        views |= {(house.scan, name): seen for name, seen in zip(house.names, _seen(house, look, rng), strict=True)}
    rng = np.random.default_rng((seed, graphs, episodes))
    scans = list(houses)
    found: list[Episode] = []
    while len(found) < episodes:
        house = houses[scans[int(rng.integers(len(scans)))]]
        start, goal = (int(each) for each in rng.choice(places, 2, replace=False))
        path = house.way(house.names[start], house.names[goal])
        if 2 <= len(path) - 1 <= steps:
            words = [" ".join(looks[house.scan][house.number[name]]) for name in path[1:]]
            turned = float(rng.uniform(-np.pi, np.pi))
            found.append(Episode(f"way-{len(found)}", house.scan, tuple(path), ", ".join(words) + ".", turned))
    return GraphWorld(houses, found, views)


def word_numbers(instruction: str, length: int) -> np.ndarray:
    """(length,) int64: the words by number, <stop> at the end, then zeros."""
    known = {word: number for number, word in enumerate(WORDS)}
    numbers = [known[word] for word in instruction.replace(",", " ").replace(".", " ").split()][: length - 1]
    return np.array([*numbers, 1] + [0] * (length - 1 - len(numbers)), np.int64)


def _house(scan: str, places: int, rng: np.random.Generator) -> tuple[House, list[tuple[str, str]]]:
    """Places that keep apart, joined to their three or more nearest until all hang together; all look differently."""
    positions = np.zeros((places, 3))
    for place in range(places):
        while True:
            spot = rng.uniform(0, 4 * places**0.5, 2)
            if place == 0 or np.linalg.norm(positions[:place, :2] - spot, axis=-1).min() > 2.5:
                positions[place, :2] = spot
                break
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    for joined in range(3, places):
        nearest = apart.argsort(1)[:, 1 : joined + 1]
        edges = np.zeros((places, places), bool)
        edges[np.arange(places)[:, None], nearest] = True
        house = House(scan, tuple(f"p{n}" for n in range(places)), positions, np.where(edges | edges.T, apart, np.inf))
        if house.islands() == 1:
            break
    every = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    look = [every[number] for number in rng.permutation(len(every))[:places]]
    return house, look


def _seen(house: House, look: list[tuple[str, str]], rng: np.random.Generator) -> np.ndarray:
    """(N, VIEWS, width): in the direction of every neighbour what stands there; the nearest hides what is behind."""
    colours, shapes = list(COLOURS), list(SHAPES)
    seen = rng.normal(0, NOISE, (len(house.names), VIEWS, len(colours) + len(shapes))).astype(np.float32)
    for here in range(len(house.names)):
        ways = house.neighbours(here)
        for there in ways[np.argsort(-house.lengths[here, ways])].tolist():
            apart = house.positions[there] - house.positions[here]
            view = round(float(np.arctan2(apart[0], apart[1])) / (2 * np.pi / VIEWS)) % VIEWS
            seen[here, view] = rng.normal(0, NOISE, seen.shape[-1])
            seen[here, view, colours.index(look[there][0])] += 1
            seen[here, view, len(colours) + shapes.index(look[there][1])] += 1
    return seen
