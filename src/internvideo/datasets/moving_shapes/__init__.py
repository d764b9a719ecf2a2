"""`moving_shapes`: a small world that is completely known, rendered to real encoded files.

Coloured shapes on textured backgrounds move, turn, grow, collide and appear in order, before a camera that sometimes
moves. `world` says which scene is number i of a split, `draw` gives its pixels, `wording`, `quiz` and `truth`
what is true of it, `retrieval` hard candidates, `film` long films with flaws, `write` puts all of it into files.
"""

from internvideo.datasets.moving_shapes.draw import render
from internvideo.datasets.moving_shapes.film import Film, film_frames, films
from internvideo.datasets.moving_shapes.film_truth import FilmTruth, Truth
from internvideo.datasets.moving_shapes.quiz import Question, choose_caption, questions
from internvideo.datasets.moving_shapes.retrieval import retrieval_scenes
from internvideo.datasets.moving_shapes.truth import Event, boxes, events
from internvideo.datasets.moving_shapes.wording import CLASS_NAMES, caption, captions
from internvideo.datasets.moving_shapes.world import MOTIONS, UNKNOWN_MOTIONS, VERSION, Scene, Thing, scene
from internvideo.datasets.moving_shapes.write import describe, write_clips, write_world

__all__ = [
    "CLASS_NAMES",
    "MOTIONS",
    "UNKNOWN_MOTIONS",
    "VERSION",
    "Event",
    "Film",
    "FilmTruth",
    "Question",
    "Scene",
    "Thing",
    "Truth",
    "boxes",
    "caption",
    "captions",
    "choose_caption",
    "describe",
    "events",
    "film_frames",
    "films",
    "questions",
    "render",
    "retrieval_scenes",
    "scene",
    "write_clips",
    "write_world",
]
