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
MOST = 4  # ways from a place


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
    """Places that keep apart, the nearest joined first, up to MOST ways each, every way in a view of its own."""
    names, every = tuple(f"p{number}" for number in range(places)), [(c, s) for c in COLOURS for s in SHAPES]
    while True:
        positions = np.zeros((places, 3))
        positions[:, :2] = _apart(places, rng)
        apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
        lengths, taken = np.full((places, places), np.inf), [set[int]() for _ in range(places)]
        pairs = [(one, other) for one in range(places) for other in range(one + 1, places)]
        for one, other in sorted(pairs, key=lambda pair: float(apart[pair])):
            there, back = _view(positions, one, other), _view(positions, other, one)
            free = there not in taken[one] and back not in taken[other]
            if free and len(taken[one]) < MOST and len(taken[other]) < MOST:
                lengths[one, other] = lengths[other, one] = apart[one, other]
                taken[one].add(there)
                taken[other].add(back)
        house = House(scan, names, positions, lengths)
        if house.islands() == 1:
            return house, [every[number] for number in rng.permutation(len(every))[:places]]


def _apart(places: int, rng: np.random.Generator) -> np.ndarray:
    """(N, 2) metres, no two nearer than 2.5."""
    spots: list[np.ndarray] = []
    while len(spots) < places:
        spot = rng.uniform(0, 4 * places**0.5, 2)
        if all(np.linalg.norm(spot - other) > 2.5 for other in spots):
            spots.append(spot)
    return np.stack(spots)


def _view(positions: np.ndarray, here: int, there: int) -> int:
    apart = positions[there] - positions[here]
    return round(float(np.arctan2(apart[0], apart[1])) / (2 * np.pi / VIEWS)) % VIEWS


def _seen(house: House, look: list[tuple[str, str]], rng: np.random.Generator) -> np.ndarray:
    """(N, VIEWS, width): in the direction of every neighbour what stands there, with noise everywhere."""
    colours, shapes = list(COLOURS), list(SHAPES)
    seen = rng.normal(0, NOISE, (len(house.names), VIEWS, len(colours) + len(shapes))).astype(np.float32)
    for here in range(len(house.names)):
        for there in house.neighbours(here).tolist():
            view = _view(house.positions, here, there)
            seen[here, view, colours.index(look[there][0])] += 1
            seen[here, view, len(colours) + shapes.index(look[there][1])] += 1
    return seen
