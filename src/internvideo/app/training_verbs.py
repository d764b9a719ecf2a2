"""`internvideo train`: the verb that makes networks."""

import argparse

from internvideo.app.verb import Verb, json_option, show


def _train_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a Python file such as those in configs/pretrain")
    words = "changes of the recipe, such as optimiser.rate=1e-4 or corpora.shapes.list=FOLDER"
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=words)
    parser.add_argument("--out", metavar="DIR", help="folder of the run; the same command goes on there")
    parser.add_argument("--estimate", action="store_true", help="print what it will cost, and stop")
    parser.add_argument("--changed", action="store_true", help="go on although recipe or lists have changed")
    json_option(parser)


def _train(given: argparse.Namespace) -> int:
    from internvideo.errors import UsageError
    from internvideo.jobs.train import estimate, run_train
    from internvideo.jobs.train_heads import estimate_head, head_recipe_of, run_head

    head = head_recipe_of(given.recipe, given.overrides)
    if given.estimate:
        cost = estimate_head(head) if head else estimate(given.recipe, given.out, overrides=given.overrides)
        show(cost.as_row(), given.as_json, cost.as_text)
        return 0
    if given.out is None:
        raise UsageError("where should the run go?", "add --out DIR, or --estimate to see only what it will cost")
    if head:
        found = run_head(head, given.out, changed=given.changed)
    else:
        found = run_train(given.recipe, given.out, overrides=given.overrides, changed=given.changed)
    if found is not None:  # this is the main process
        show(found.as_row(), given.as_json, found.as_text)
    return 0


TRAINING_VERBS = (
    Verb("train", "Train a network by a recipe; the same command goes on where a killed run stood.",
         "internvideo train configs/pretrain/moving_shapes_masked.py --out run", _train_options, _train),
)  # fmt: skip
