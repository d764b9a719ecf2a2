"""The benchmarks by name: what `internvideo evaluate` takes. Each makes its task from a list and from switches."""

from collections.abc import Callable, Mapping

from internvideo.tasks.answers import question_answering
from internvideo.tasks.choice import multiple_choice
from internvideo.tasks.egocentric import change_moments, changed_objects, future_hands, next_objects
from internvideo.tasks.navigation import navigation
from internvideo.tasks.open_set import open_set
from internvideo.tasks.queries import language_queries
from internvideo.tasks.recognition import recognition, zero_shot_recognition
from internvideo.tasks.retrieval import retrieval
from internvideo.tasks.spatial import spatial
from internvideo.tasks.task import Task
from internvideo.tasks.temporal import temporal

# name -> builder(data, options, paper=...): options are `switch=value` of the task's protocol; paper: as published
TASKS: Mapping[str, Callable[..., Task]] = {
    "recognition": recognition,
    "zero-shot-recognition": zero_shot_recognition,
    "multiple-choice": multiple_choice,
    "retrieval": retrieval,
    "question-answering": question_answering,
    "open-set": open_set,
    "temporal": temporal,
    "language-queries": language_queries,
    "change-moments": change_moments,
    "changed-objects": changed_objects,
    "future-hands": future_hands,
    "next-objects": next_objects,
    "spatial": spatial,
    "navigation": navigation,
}
