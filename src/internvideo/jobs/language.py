"""Who writes texts for a job: answers are kept, the budget counts earlier runs, and both are said."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from internvideo.curation.language.answers import AnswerStore, Remembering
from internvideo.curation.language.endpoint import Asking, Endpoint
from internvideo.curation.language.protocol import Budget
from internvideo.errors import UsageError
from internvideo.jobs.talk import columns

ANSWERS = "answers.sqlite"  # in the `cache/` of a dataset


@dataclass(frozen=True)
class Writing:
    """A model that may be asked now."""

    model: Remembering
    endpoint: Endpoint
    recipe: Asking
    budget: Budget

    def say_cost(self, what: str) -> str:
        """What is about to be asked, said before it begins. what: how much of what, in words."""
        budget = self.budget
        rows = [("questions", f"{what} to {self.recipe.endpoint.model}")]
        rows += [
            ("endpoint", f"{self.recipe.endpoint.url}, {self.recipe.endpoint.in_flight} at once"),
            (
                "spent before",
                f"{budget.spent_tokens:,} tokens" + (f", {budget.spent_money:,.4g}" if budget.money else ""),
            ),
        ]
        limits = [f"{budget.tokens:,} tokens"] if budget.tokens is not None else []
        limits += [f"{budget.money:,.6g} of money"] if budget.money is not None else []
        rows.append(("budget", " and ".join(limits) or "none: token_budget=1000000 sets one"))
        return columns(rows)

    def said(self, what: str, stopped: str = "") -> str:
        """What came of it. what: how much was made, in words."""
        again = ", ".join(f"{count:,} x {why}" for why, count in sorted(self.endpoint.counts.retried.items()))
        asked, found = self.model.asked, self.model.found
        lines = [
            f"{what}; {asked:,} questions asked, {found:,} answered before; {self.budget.spent_tokens:,} tokens in all"
        ]
        lines += [f"asked again: {again}"] if again else []
        lines += [f"stopped: {stopped}"] if stopped else []
        return "\n".join(lines)


@contextmanager
def writing(recipe: Asking, answers: Path) -> Iterator[Writing]:
    """Whom the recipe names, with the answers kept in the file `answers`. Raises UsageError if it names nobody."""
    if not recipe.on:
        raise UsageError(
            "no model to ask",
            "--endpoint http://127.0.0.1:8000/v1 --llm NAME names one that vLLM, Ollama, llama.cpp or a host serves",
        )
    budget = recipe.budget()
    with AnswerStore(answers) as store:
        endpoint = Endpoint(recipe.endpoint, budget)
        model = Remembering(endpoint, store)
        store.charge(budget, model.identity)
        yield Writing(model, endpoint, recipe, budget)
