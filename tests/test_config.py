"""Recipes: overrides reach every field by a dotted path, with checked types and helpful errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import pytest

from internvideo.config import dump, load_recipe, override
from internvideo.errors import UsageError


@dataclass(frozen=True)
class Shots:
    name: str = "shots"
    threshold: float = 27.0
    detector: Literal["content", "adaptive"] = "content"
    limit: int | None = None
    exact: bool = True

    def __post_init__(self):
        if self.threshold < 0:
            raise ValueError(f"threshold {self.threshold} must not be negative")


@dataclass(frozen=True)
class Recipe:
    operators: tuple[Shots, ...] = (Shots(), Shots(name="other", limit=3))
    rate: Fraction = Fraction(1, 2)
    sizes: tuple[int, ...] = (1, 2)
    inner: Shots = field(default_factory=Shots)


@pytest.mark.parametrize(
    ("assignment", "read", "value"),
    [
        ("operators.other.threshold=30", lambda r: r.operators[1].threshold, 30.0),
        ("operators.shots.detector=adaptive", lambda r: r.operators[0].detector, "adaptive"),
        ("operators.shots.limit=12", lambda r: r.operators[0].limit, 12),
        ("operators.other.limit=none", lambda r: r.operators[1].limit, None),
        ("operators.shots.exact=no", lambda r: r.operators[0].exact, False),
        ("rate=30000/1001", lambda r: r.rate, Fraction(30000, 1001)),
        ("sizes=4,5,6", lambda r: r.sizes, (4, 5, 6)),
        ("inner.name=a=b", lambda r: r.inner.name, "a=b"),
    ],
)
def test_an_override_changes_one_value_and_nothing_else(assignment, read, value):
    changed = override(Recipe(), [assignment])
    assert read(changed) == value
    assert read(Recipe()) != value
    assert dump(changed) != dump(Recipe())


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("operators.shots.treshold=30", "threshold"),
        ("operators.shot.threshold=30", "shots"),
        ("operators.shots.threshold=high", "float"),
        ("operators.shots.detector=adaptiv", "adaptive"),
        ("operators.shots.exact=perhaps", "bool"),
        ("operators.shots.threshold=-1", "must not be negative"),
        ("operators.shots=1", "threshold"),
        ("rate.x=1", "plain value"),
        ("sizes", "path=value"),
    ],
)
def test_a_wrong_override_is_a_usage_error_that_helps(assignment, says):
    with pytest.raises(UsageError) as error:
        override(Recipe(), [assignment])
    assert says in str(error.value)


def test_a_recipe_comes_by_name_or_from_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from fractions import Fraction\ndef config():\n    return Fraction(1, 3)\n")
    assert load_recipe("half", {"half": Fraction(1, 2)}, Fraction) == Fraction(1, 2)
    assert load_recipe(str(file), {}, Fraction) == Fraction(1, 3)


@pytest.mark.parametrize(
    ("text", "says"), [("def config(): return 1", "int"), ("x = ", "SyntaxError"), ("y = 1", "config")]
)
def test_a_recipe_file_that_does_not_work_says_why(tmp_path, text, says):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        load_recipe(str(file), {}, Fraction)
    assert says in str(error.value)


def test_a_misspelt_recipe_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="internvid"):
        load_recipe("internvideo", {"internvid": 1}, int)


@dataclass(frozen=True)
class Reading:
    options: Mapping[str, object] = field(default_factory=dict)


def test_a_mapping_is_changed_by_key_and_takes_values_as_json_writes_them():
    given = ["options.where.fold=3", "options.where.person=ann", "options.unless.fold=[1, 2]", "options.clips=8"]
    assert override(Reading({"clips": 4}), given).options == {
        "clips": 8,
        "where": {"fold": 3, "person": "ann"},
        "unless": {"fold": [1, 2]},
    }


@dataclass(frozen=True)
class Length:
    """A recipe whose values only make sense together."""

    epochs: float | None = 1.0
    steps: int | None = None

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise UsageError("either epochs or steps")


@dataclass(frozen=True)
class Run:
    length: Length = field(default_factory=Length)


def test_values_that_only_make_sense_together_are_set_together():
    expected = Run(Length(None, 5))
    assert override(Run(), ["length.epochs=none", "length.steps=5"]) == expected
    assert override(Run(), ["length.steps=5", "length.epochs=none"]) == expected
    assert override(Run(), ["length.steps=9", "length.epochs=none", "length.steps=5"]) == expected
    with pytest.raises(UsageError, match="either"):
        override(Run(), ["length.steps=5"])


def test_of_a_part_and_its_details_the_later_assignment_counts():
    assert override(Reading(), ['options.where={"a": 1}', "options.where.b=2"]).options == {"where": {"a": 1, "b": 2}}
    assert override(Reading(), ["options.where.b=2", 'options.where={"a": 1}']).options == {"where": {"a": 1}}
