"""How often captions of unseen combinations of `moving_shapes` are exactly right: one of the wordings that are true.

python benchmarks/shape_captions.py [--split test] [--clips 200] [--model viclip-tiny] [--weights FOLDER] [--world DIR]

One JSON line: percent right of scenes with one thing, of the whole mixture of plots, and of each plot; and what always
saying the commonest caption would give.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from internvideo.datasets.moving_shapes.rendered import rendered
from internvideo.datasets.moving_shapes.wording import meaning, wordings
from internvideo.datasets.moving_shapes.world import scene
from internvideo.jobs.own_captions import describe
from internvideo.jobs.prepare import prepare
from internvideo.models import load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--model", default="viclip-tiny")
    parser.add_argument("--weights")
    parser.add_argument("--world", default="moving_shapes")
    given = parser.parse_args()
    model = load_model(given.model, given.weights)
    found = {}
    for name, plot in (("single", "single"), ("mixture", None)):
        scenes = [scene(given.split, number, plot=plot) for number in range(given.clips)]
        folder, rows = rendered(Path(given.world), f"captions-{name}-{given.split}", scenes)
        said = [describe(model, prepare(model, folder / row["file"]))[0] for row in rows]
        right = [text in wordings(meaning(one)) for text, one in zip(said, scenes, strict=True)]
        found[name] = 100 * sum(right) / len(right)
        if plot is None:
            for kind in sorted({one.plot for one in scenes}):
                mine = [ok for ok, one in zip(right, scenes, strict=True) if one.plot == kind]
                found[f"mixture/{kind}"] = round(100 * sum(mine) / len(mine), 1)
        common = Counter(meaning(one) for one in scenes).most_common(1)[0][1]
        found[f"{name}, always the commonest"] = 100 * common / len(scenes)
    print(json.dumps({"model": given.model, "split": given.split, "clips": given.clips, "exact": found}))


if __name__ == "__main__":
    main()
