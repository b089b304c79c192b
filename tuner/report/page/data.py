"""Everything that the page says and draws, put together from values alone.

The rule: no file, no clock and no library for pages here; the same values give the same page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.definition import SweepDefinition
from tuner.report.answers import comparison_of
from tuner.report.diagnosis import Advice
from tuner.report.page import (
    charts_capacity,
    charts_curves,
    charts_map,
    charts_parallel,
    charts_search,
    charts_variants,
)
from tuner.report.page.answer import Card, Fact, candidates_of, card, facts, headline, lead
from tuner.report.page.asked import Asked, asked_of
from tuner.report.page.charts_base import KINDS, WORDS, Figure, kind_of, lowest_shown, span
from tuner.report.page.gradients import GradientPanel, noted_of, panels_of, spread_figures
from tuner.report.page.method import (
    Circumstances,
    Group,
    commands,
    definition_yaml,
    method,
    training_seconds,
)
from tuner.report.page.proof import Proof, proofs
from tuner.report.page.trials import Table, cards_of, run_link, table_of
from tuner.report.page.variants import VariantsSection, section_of
from tuner.report.page.winners import WinnerMistakes
from tuner.report.page.words import NAMES, day, goals
from tuner.report.selection import Outcome
from tuner.report.variants import Variant


@dataclass(frozen=True)
class Source:
    """What the page is made of.

    Attributes:
        outcome, definition: of one study.
        importance: of searched parameters, the most important first.
        advice: what to change where no trial meets.
        mistakes: of the winners whose predictions there are.
        notes: what was left out, and why, one line each.
        circumstances: what the record does not hold.
        mlflow: address of MLflow's pages, or empty.
    """

    outcome: Outcome
    definition: SweepDefinition
    importance: Mapping[str, float] = field(default_factory=dict)
    advice: tuple[Advice, ...] = ()
    mistakes: tuple[WinnerMistakes, ...] = ()
    notes: tuple[str, ...] = ()
    circumstances: Circumstances = field(default_factory=Circumstances)
    mlflow: str = ""


@dataclass(frozen=True)
class Slice:
    """A small multiple: its title, and the name of its chart."""

    title: str
    chart: str


@dataclass(frozen=True)
class PageData:
    """The page, decided: what the templates write down.

    Attributes:
        study, dataset, goal, made: for the head of the page.
        banners: warnings that belong above everything.
        headline, lead: the answer, and the sentences below it.
        facts: large figures.
        cards: the first candidates; `found` says whether they meet.
        advice: what to change, and notes: what was left out.
        kinds: marks that occur in the charts, as (kind, word, count).
        map_views: whether the map has a range around what matters beside that of everything.
        outside: trials outside of that range.
        series: curves that can be switched, for their buttons.
        slices: searched parameters.
        mistakes, proofs, method, table: the sections of those names.
        commands, yaml: what repeats the sweep.
        charts: Plotly's figures by name.
        asked: the sweep's questions with their answers; empty where it asks none.
        variants: what is compared, or None.
        gradients: a panel for each variant whose gradients were noted.
        script: what the page's script knows, as plain JSON.
        objective: what the study maximises.
    """

    study: str
    dataset: str
    goal: str
    made: str
    banners: tuple[str, ...]
    headline: str
    lead: tuple[str, ...]
    facts: tuple[Fact, ...]
    found: bool
    cards: tuple[Card, ...]
    advice: tuple[Advice, ...]
    notes: tuple[str, ...]
    kinds: tuple[tuple[str, str, int], ...]
    outside: int
    series: tuple[charts_curves.Series, ...]
    slices: tuple[Slice, ...]
    mistakes: tuple[WinnerMistakes, ...]
    proofs: tuple[Proof, ...]
    method: tuple[Group, ...]
    commands: tuple[str, ...]
    yaml: str
    table: Table
    charts: dict[str, Figure]
    script: dict[str, Any]
    asked: tuple[Asked, ...] = ()
    variants: VariantsSection | None = None
    gradients: tuple[GradientPanel, ...] = ()
    objective: str = "val_accuracy"


def page_data(source: Source) -> PageData:
    """All of the page."""
    outcome, definition = source.outcome, source.definition
    candidates = candidates_of(outcome)
    variants, answers = comparison_of(outcome, definition)
    noted = noted_of(outcome, variants)
    compared = section_of(outcome, definition, variants, answers)
    names = [v.name for v in variants] if definition.questions else []
    series = charts_curves.series_of(outcome, names)
    found_map = charts_map.map_of(outcome)
    slices = charts_search.slices_of(outcome, definition)
    marks = [kind_of(e) for e in outcome.entries if e.verdict is not None]
    charts = _charts(source, found_map, series, slices)
    charts |= {**_compared(variants if compared else ()), **spread_figures(noted)}
    banners = [outcome.banner] if outcome.banner else []
    if outcome.what_if:
        banners.append(
            "These targets are not the study's own: nothing was searched for by them. "
            f"The study itself asks for {goals(definition.targets)}."
        )
    return PageData(
        study=outcome.study,
        dataset=outcome.dataset,
        goal=goals(outcome.targets),
        made=day(source.circumstances.made or None),
        banners=tuple(banners),
        headline=headline(outcome),
        lead=lead(outcome),
        facts=facts(outcome, training_seconds(outcome)),
        found=bool(outcome.meets or outcome.confirmed),
        cards=tuple(
            card(outcome, e, kind_of(e), run_link(source.mlflow, e.run_id)) for e in candidates
        ),
        advice=source.advice,
        notes=source.notes,
        kinds=tuple((k, WORDS[k], marks.count(k)) for k in reversed(KINDS) if k in marks),
        outside=found_map.outside if found_map else 0,
        series=series,
        slices=tuple(
            Slice(charts_search.label_of(s.name), f"slice-{number}")
            for number, s in enumerate(slices)
        ),
        mistakes=source.mistakes,
        proofs=proofs(outcome),
        method=method(outcome, definition, source.circumstances),
        commands=commands(outcome),
        yaml=definition_yaml(definition),
        table=table_of(outcome, definition, source.mlflow),
        charts=charts,
        script={
            **cards_of(outcome, definition, source.mlflow),
            "study": outcome.study,
            "curves": {
                str(s.trial): {
                    "label": s.label,
                    "color": s.color,
                    "epochs": s.epochs,
                    "val": s.val,
                    "train": s.train,
                    "val_loss": s.val_loss,
                    "train_loss": s.train_loss,
                    "more": [(NAMES[metric], column) for metric, column in s.by_class],
                    "chosen": s.chosen,
                    "turns": s.turns,
                    "windows": s.windows,
                }
                for s in series
            },
        },
        asked=asked_of(answers),
        variants=compared,
        gradients=panels_of(noted),
        objective=outcome.objective,
    )


def _charts(
    source: Source,
    found_map: charts_map.Map | None,
    series: tuple[charts_curves.Series, ...],
    slices: tuple[charts_search.Slice, ...],
) -> dict[str, Figure]:
    """All figures that have something to show, by name."""
    outcome, definition = source.outcome, source.definition
    floor = charts_map.limits(outcome.targets, outcome.objective)[0]
    ceiling = charts_map.limits(outcome.targets, "accuracy_gap")[1]
    low, high = _accuracies(outcome, floor)
    found: dict[str, Figure | None] = {}
    if found_map is not None:
        found["map"] = charts_map.map_figure(found_map)
    if series:
        found["accuracy"] = charts_curves.accuracy_figure(series, outcome.targets)
        found["loss"] = charts_curves.loss_figure(series, outcome.targets)
    progress = charts_search.progress_of(outcome)
    if progress is not None:
        found["progress"] = charts_search.progress_figure(progress, floor, low)
    if source.importance:
        found["importance"] = charts_search.importance_figure(source.importance)
    for number, one in enumerate(slices):
        found[f"slice-{number}"] = charts_search.slice_figure(one, low, high, floor)
    parallel = charts_parallel.parallel_of(outcome, definition, low, high)
    if parallel is not None:
        found["parallel"] = charts_parallel.parallel_figure(parallel)
    capacity = charts_capacity.capacity_of(outcome)
    if capacity is not None:
        found["capacity"] = charts_capacity.capacity_figure(capacity, ceiling)
    return {name: figure for name, figure in found.items() if figure is not None}


def _compared(variants: Sequence[Variant]) -> dict[str, Figure]:
    """The curves of variants, laid over each other."""
    found = {
        "variants-loss": charts_variants.loss_figure(charts_variants.loss_curves(variants)),
        "variants-accuracy": charts_variants.accuracy_figure(
            charts_variants.accuracy_curves(variants)
        ),
    }
    return {name: figure for name, figure in found.items() if figure is not None}


def _accuracies(outcome: Outcome, floor: float | None) -> tuple[float, float]:
    """The range of the objective that charts of the search show."""
    values = [
        v
        for e in outcome.entries
        if e.verdict is not None and (v := e.figure(outcome.objective)) is not None
    ]
    if not values:
        return 0.0, 1.0
    return span([lowest_shown(values, 4.0), max([*values, floor or 0.0])], 0.06, least=0.02)
