"""What `tuner data` tells of data of the user's own beside what it tells of every data set.

The rule: whatever was inferred is shown (which column is what, what is left out, what the model
standardises by), and whatever flatters a figure is warned of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from tuner.data.encoding import feature_names
from tuner.data.equal_rows import EqualRows
from tuner.data.prepared import Prepared
from tuner.report.tables import new_table
from tuner.report.wording import plural
from tuner.text import printable

MOST_COLUMNS = 40  # of a table, in the terminal
CATEGORIES = 6  # of a column, in the terminal


def own_facts(data: Prepared) -> Iterator[tuple[str, str]]:
    """Name and text of what was inferred, for the head of the page."""
    account = data.account or {}
    if account.get("label") is not None:
        yield "label", f"column {account['label']}"
    if account.get("text") is not None:
        yield "texts", f"column {account['text']}"
    if account.get("arrays"):
        yield "arrays", ", ".join(account["arrays"])
    if data.has_test:
        yield "test rows", f"from {account.get('test')}"
    else:
        yield "test rows", "none: nothing is held out for the very end"
    if data.standard is not None:
        yield "standardised", "inside the model, by mean and deviation of the training rows"


def own_json(data: Prepared, equal: EqualRows) -> dict[str, Any]:
    """The keys that `tuner data PATH --format json` has beside those of every data set."""
    found: dict[str, Any] = {
        "encoder": data.encoder,
        "standard": None if data.standard is None else data.standard.to_json(),
        "account": data.account,
        "equal_rows": asdict(equal),
        "remarks": list(remarks_of(data, equal)),
    }
    if from_table(data):
        found["columns"] = columns_json(data)
    return found


def from_table(data: Prepared) -> bool:
    """Whether the rows were made of a table's columns."""
    return (data.encoder or {}).get("from") == "table"


def columns_json(data: Prepared) -> list[dict[str, Any]]:
    """What became of each column of a table, those left out last."""
    assert data.encoder is not None
    assert data.standard is not None
    account = data.account or {}
    missing = account.get("missing", {})
    found, at = [], 0
    for entry in data.encoder["columns"]:
        raw: dict[str, Any] = {"name": entry["name"], "kind": entry["kind"]}
        raw["missing"] = missing.get(entry["name"], 0)
        if entry["kind"] == "category":
            raw["categories"] = entry["categories"]
            at += len(entry["categories"])
        else:
            raw["mean"], raw["deviation"] = data.standard.mean[at], data.standard.deviation[at]
            if "median" in entry:
                raw["median"] = entry["median"]
            at += 1
        found.append(raw)
    for name, why in account.get("left", {}).items():
        found.append(
            {"name": name, "kind": "left out", "why": why, "missing": missing.get(name, 0)}
        )
    return found


def own_columns(data: Prepared) -> Iterator[Table | Text]:
    """What became of each column, for a terminal."""
    table = new_table()
    table.add_column("column", overflow="fold")
    table.add_column("becomes", no_wrap=True)
    table.add_column("of the training rows", overflow="fold")
    rows = columns_json(data)
    gaps = any(row["missing"] for row in rows)
    if gaps:
        table.add_column("missing", justify="right")
    for row in rows[:MOST_COLUMNS]:
        cells = [Text(row["name"] or "(no name)"), Text(_becomes(row)), Text(_detail(row))]
        table.add_row(*cells, *([f"{row['missing']:,}"] if gaps else []))
    yield table
    if len(rows) > MOST_COLUMNS:
        yield Text(f"The first {MOST_COLUMNS} of {len(rows):,} columns.", style="dim")
    width = len(feature_names(data.encoder or {"columns": []}))
    yield Text(f"{width:,} {plural('feature', width)} in all.", style="dim")


def _becomes(row: dict[str, Any]) -> str:
    if row["kind"] == "category":
        return f"{len(row['categories']):,} categories"
    return str(row["kind"])


def _detail(row: dict[str, Any]) -> str:
    if row["kind"] == "left out":
        return str(row["why"])
    if row["kind"] == "category":
        some = row["categories"][:CATEGORIES]
        return printable(", ".join(some)) + (", …" if len(row["categories"]) > CATEGORIES else "")
    text = f"mean {row['mean']:.4g}, deviation {row['deviation']:.4g}"
    return text + (f", missing ones {row['median']:.4g}" if row["missing"] else "")


def equal_texts(data: Prepared, equal: EqualRows) -> list[str]:
    """Warnings of rows that are there more than once, a sentence each."""
    found = []
    if equal.test:
        found.append(
            f"{equal.test:,} of the test rows {_are(equal.test)} equal to a training row: test "
            "figures are flattered."
        )
    if equal.validation:
        found.append(
            f"{equal.validation:,} of the validation rows {_are(equal.validation)} equal to a row "
            "that is trained on: validation figures are flattered."
        )
    if equal.training and not equal.validation:
        found.append(
            f"{equal.training:,} training {plural('row', equal.training)} {_are(equal.training)} "
            "equal to one before."
        )
    if equal.conflicting:
        found.append(
            f"{equal.conflicting:,} training {plural('row', equal.conflicting)} "
            f"{_are(equal.conflicting)} equal to another one with another label: no model can get "
            "all of them right."
        )
    return found


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def remarks_of(data: Prepared, equal: EqualRows) -> Sequence[str]:
    """All that a person should know, a sentence each."""
    return [*data.remarks, *equal_texts(data, equal)]
