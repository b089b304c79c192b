"""The page as one HTML text: templates, style, script and data in a single file.

The rule: every text is escaped where it is written, data stands in a block that no `</script>` in
it can end, and a policy forbids the page any connection and any script that is not its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tuner import __version__
from tuner.report.jsonout import finite
from tuner.report.page.data import PageData
from tuner.report.page.proof import HOLM, JUDGED
from tuner.report.page.words import confidence, share
from tuner.report.ranking import rank_text
from tuner.report.wording import SCORE_NAMES

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = "templates"


def render(page: PageData) -> str:
    """The whole page."""
    early, plotly, script = _file("theme.js"), _plotly(), _file("page.js")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            sections=_sections(page),
            version=__version__,
            # Written as they are: files of our own, plotly.js, and data that is escaped already.
            style=_file("page.css"),
            dark=_file("dark.css"),
            early=early,
            script=script,
            plotly=plotly,
            data=embedded({**page.script, "charts": page.charts}),
            policy=_policy(early, plotly, script),
            judged=JUDGED,
            holm=HOLM,
            rank=rank_text(page.objective),
            score=SCORE_NAMES[page.objective],
            quoted=shlex.quote(page.study),
            wider=shlex.quote(f"{page.study}-wider"),
            confirm=f"tuner confirm {shlex.quote(page.study)}",
        )
    )


def _sections(page: PageData) -> list[tuple[str, str]]:
    """Identity and name of the sections that the page has, for its head."""
    there = (
        ("answer", "Answer", True),
        ("variants", "Variants", page.variants is not None),
        ("gradients", "Gradients", bool(page.gradients)),
        ("map", "Trials", "map" in page.charts),
        ("curves", "Curves", bool(page.series)),
        ("search", "Search", "progress" in page.charts),
        ("mistakes", "Mistakes", bool(page.mistakes or page.notes)),
        ("proof", "Luck", True),
        ("method", "Method", True),
        ("trials", "Table", True),
    )
    return [(identity, word) for identity, word, has in there if has]


def embedded(value: Any) -> str:
    """JSON that can stand in a script block: it holds no `<`, `>` or `&` as such."""
    text = json.dumps(finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _policy(*scripts: str) -> str:
    """The Content-Security-Policy: these scripts and no other, nothing from anywhere."""
    digests = (hashlib.sha256(text.encode()).digest() for text in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    text: str = get_plotlyjs()
    if "</script" in text.lower():
        raise ValueError("plotly.js would end its own script block")
    return text


@cache
def _file(name: str) -> str:
    text = files(__package__).joinpath(_FOLDER, name).read_text(encoding="utf-8")
    return text.strip()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tuner.report.page", _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = share
    environment.filters["confidence"] = confidence
    return environment
