"""Checks of the family `navigation`."""

from collections.abc import Iterator

import numpy as np

from internvideo.metrics.navigation import Episode, densified, ndtw, path_length, published_scores, without_repeats
from tests.parity.parity_cases import EXACT, Answer, Case, Limit

FINE = Limit(absolute=1e-6)


def metrics(case: Case) -> Iterator[Answer]:
    given = case.json
    within = given["success_distance"]
    laid = given["dis_to_con"]
    yield Answer("dis_to_con", densified(np.array(laid["input"], np.float64)), FINE, np.array(laid["output"]))
    for number, row in enumerate(given["episodes"]):
        episode = Episode(
            np.array(row["path"]),
            np.array(row["gt_path"]),
            np.array(row["distance_to_goal_per_step"]),
            bool(row["stop_called"]),
            row["collisions"],
        )
        scores = published_scores(episode, within=within)
        for name, value in row["eval_metrics"].items():
            yield Answer(f"{number} {name}", scores[name], FINE, np.array(value))
        walked = without_repeats(episode.path)
        for name, warp in (("dtw", "exact"), ("fastdtw", "fast")):
            near = float(ndtw([walked], [episode.truth], within=within, warp=warp)[0])
            yield Answer(f"{number} nDTW {name}", near, FINE, np.array(row["measure_ndtw"][name]))
            with_success = near * row["eval_metrics"]["success"]
            yield Answer(f"{number} sDTW {name}", with_success, FINE, np.array(row["measure_sdtw_if_success"][name]))
        yield Answer(f"{number} length", path_length(episode.path), FINE, np.array(row["measure_path_length"]))
    yield Answer("episodes", number + 1, EXACT, len(given["episodes"]))


KINDS = {"metrics": metrics}
