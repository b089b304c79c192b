"""The proposals of a sweep that do not depend on results: what `--dry-run` shows."""

from __future__ import annotations

from dataclasses import dataclass

import optuna

from tuner.definition import SweepDefinition
from tuner.search.sampling import build_sampler, drawing, quiet, suggesting
from tuner.space import grid, resolve
from tuner.trial import Params

STARTUP_TRIALS = 10


@dataclass(frozen=True)
class Proposal:
    """A trial that a fresh study would begin with."""

    trial: int
    variant: str | None
    params: Params


def proposals(definition: SweepDefinition) -> list[Proposal]:
    """The first trials: variants, then samples; with TPE only those before it has learnt."""
    quiet()
    variants = list(definition.variants.items())[: definition.trials]
    listed = [Proposal(i, name, params) for i, (name, params) in enumerate(variants)]
    count = definition.trials
    points: tuple[Params, ...] = ()
    if definition.sampler == "tpe":
        count = min(count, STARTUP_TRIALS)
    elif definition.sampler == "grid":
        found = grid(definition.space, definition.fixed)
        points = tuple({**definition.fixed, **point} for point in found)
        count = min(count, len(points) + len(listed))
    study = optuna.create_study(direction="maximize")
    for place in range(len(listed), count):
        trial = study.ask()
        position = place - len(variants) if definition.sampler == "grid" else place
        study.sampler = build_sampler(
            definition.sampler, definition.space, points, definition.seed, position
        )
        params = resolve(definition.space, definition.fixed, drawing(suggesting(trial)))
        listed.append(Proposal(place, None, params))
    return listed
