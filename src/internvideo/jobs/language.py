"""Who writes texts for a job: answers are kept, the budget counts earlier runs, and both are said."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from internvideo.curation.language.answers import AnswerStore, Remembering
from internvideo.curation.language.endpoint import Asking, Endpoint
from internvideo.curation.language.local import HuggingFace
from internvideo.curation.language.protocol import Budget, LanguageModel
from internvideo.errors import UsageError
from internvideo.jobs.talk import columns

ANSWERS = "answers.sqlite"  # in the `cache/` of a dataset


@dataclass(frozen=True)
class Writing:
    """A model that may be asked now."""

    model: Remembering
    asked: LanguageModel
    recipe: Asking
    budget: Budget

    def say_cost(self, what: str) -> str:
        """What is about to be asked, said before it begins. what: how much of what, in words."""
        budget, recipe = self.budget, self.recipe
        spent = f"{budget.spent_tokens:,} tokens" + (f", {budget.spent_money:,.4g}" if budget.money else "")
        where = f"{recipe.endpoint.url}, {recipe.at_once} at once" if recipe.endpoint.url else "in this process"
        rows = [("questions", f"{what} to {self.asked.identity}"), ("asked", where), ("spent before", spent)]
        limits = [f"{budget.tokens:,} tokens"] if budget.tokens is not None else []
        limits += [f"{budget.money:,.6g} of money"] if budget.money is not None else []
        rows.append(("budget", " and ".join(limits) or "none: token_budget=1000000 sets one"))
        return columns(rows)

    def said(self, what: str, stopped: str = "") -> str:
        """What came of it. what: how much was made, in words."""
        retried = self.asked.counts.retried if isinstance(self.asked, Endpoint) else {}
        again = ", ".join(f"{count:,} x {why}" for why, count in sorted(retried.items()))
        asked, found = self.model.asked, self.model.found
        lines = [
            f"{what}; {asked:,} questions asked, {found:,} answered before; {self.budget.spent_tokens:,} tokens in all"
        ]
        lines += [f"asked again: {again}"] if again else []
        lines += [f"stopped: {stopped}"] if stopped else []
        return "\n".join(lines)


@contextmanager
def writing(recipe: Asking, answers: Path, model: LanguageModel | None = None) -> Iterator[Writing]:
    """Whom the recipe names, with the answers kept in the file `answers`. Raises UsageError if it names nobody.

    model: who answers instead.
    """
    budget = recipe.budget()
    with AnswerStore(answers) as store:
        asked = model or model_of(recipe, budget)
        remembering = Remembering(asked, store)
        store.charge(budget, asked.identity)
        yield Writing(remembering, asked, recipe, budget)


def model_of(recipe: Asking, budget: Budget) -> LanguageModel:
    """Who answers: a model at an address, else one in this process. Raises UsageError if neither is named."""
    if not recipe.on:
        raise UsageError(
            "no model to ask",
            "--endpoint http://127.0.0.1:8000/v1 --llm NAME names one that vLLM, Ollama, llama.cpp or a host serves; "
            "local.model=FOLDER one in this process",
        )
    return Endpoint(recipe.endpoint, budget) if recipe.endpoint.url else HuggingFace(recipe.local)
