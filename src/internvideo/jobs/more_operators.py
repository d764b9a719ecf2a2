"""Operators that a recipe switches on by name: writing in the picture, and what other packages bring."""

from dataclasses import replace
from importlib.metadata import entry_points
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from typing import Any

from internvideo.curation.operator import DatasetOperator, Operator
from internvideo.curation.overlay import TextOverlay
from internvideo.curation.recipe import CurateRecipe
from internvideo.errors import MissingExtra, UsageError, nearest

GROUP = "internvideo.operators"  # of entry points: name -> a callable without arguments that gives an operator
READER = "rapidocr"


def with_more_operators(recipe: CurateRecipe) -> CurateRecipe:
    """The same recipe with the operators of `text_overlay` and `plugins` among its own.

    Raises MissingExtra, and UsageError for a plug-in that is not installed or gives no operator.
    """
    operators, whole = list(recipe.operators), list(recipe.dataset_operators)
    if recipe.text_overlay:
        if find_spec(READER) is None:
            raise MissingExtra(READER, "ocr")
        operators.append(TextOverlay(f"{READER} {installed_version(READER)}"))
    for name in recipe.plugins:
        made = plugin(name)
        if isinstance(made, DatasetOperator):
            whole.append(made)
        else:
            operators.append(made)
    return replace(recipe, operators=tuple(operators), dataset_operators=tuple(whole))


def plugin(name: str) -> Operator | DatasetOperator:
    """The operator that an installed package registers under this name."""
    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in known:
        hint = nearest(name, known) if known else f"no installed package has entry points `{GROUP}`"
        raise UsageError(f"no plug-in is called `{name}`", hint)
    try:
        made: Any = known[name].load()()
    except Exception as error:
        raise UsageError(f"the plug-in `{name}` ({known[name].value}) does not load: {error}", "update it") from error
    if not isinstance(made, Operator | DatasetOperator):
        raise UsageError(f"the plug-in `{name}` gives {type(made).__name__}, no operator", "see CONTRIBUTING.md")
    return made
