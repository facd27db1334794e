"""Letters that are searched for: which of a name they are, and which names match better."""

from __future__ import annotations

import pytest

from flux.job.query.syntax import parse
from tui.model.dashboard import Dashboard
from tui.model.ranking import BEGINNING, ELSEWHERE, PART, SCATTERED, WHOLE, NameSearch

NOW = 1_000_000.0


def marked(query: str, text: str) -> str:
    """Return a text with brackets around the letters that are found in it."""
    found, done = "", 0
    for start, end in NameSearch(parse(query)).spans(text):
        found += f"{text[done:start]}[{text[start:end]}]"
        done = end
    return found + text[done:]


@pytest.mark.parametrize(
    ("query", "text", "wanted"),
    [
        ("train", "retrain.py", "re[train].py"),
        ("trnpy", "train.py", "[tr]ai[n].[py]"),
        ("abc", "a b abxc", "a b [ab]x[c]"),
        ("xyz", "train.py", "train.py"),
        ("Tr", "train Train", "train [Tr]ain"),
        ("tr", "Train", "[Tr]ain"),
        ("tr py", "train.py", "[tr]ain.[py]"),
        ("-train", "train.py", "train.py"),
        ("name:tr*", "train.py", "train.py"),
        ('name~"a[a-z]n"', "train.py", "tr[ain].py"),
        ("-name~ain", "train.py", "train.py"),
        ("tr OR py", "train.py", "[tr]ain.[py]"),
        ("is", "\u0130s is", "\u0130s is"),
    ],
)
def test_the_letters_that_match_are_known(query: str, text: str, wanted: str) -> None:
    assert marked(query, text) == wanted


@pytest.mark.parametrize(
    ("query", "name", "rank"),
    [
        ("run", "run", WHOLE),
        ("run", "Run", WHOLE),
        ("run", "run.sh", BEGINNING),
        ("run", "rerun", PART),
        ("run", "r-u-n", SCATTERED),
        ("run", "other", ELSEWHERE),
        ("run sh", "run.sh", PART),
        ("state:running", "run", 0),
    ],
)
def test_better_matches_are_known(query: str, name: str, rank: int) -> None:
    assert NameSearch(parse(query)).ranks[name] == rank


def test_better_matches_stand_above_those_of_more_urgent_states() -> None:
    dashboard = Dashboard(lambda: NOW)
    names = ["r-u-n", "rerun", "run.sh", "run", "other", "runs"]
    states = [16, 16, 8, 64, 16, 16]
    dashboard.load(
        [
            {"id": n, "name": name, "state": state, "t_submit": NOW - 60 * n, "result": 1}
            for n, (name, state) in enumerate(zip(names, states, strict=True))
        ]
    )
    dashboard.settle()
    dashboard.set_query("run")
    table = dashboard.table

    def shown() -> list[str]:
        return [table.name[row] for row in dashboard.view.rows()]

    assert shown() == ["run", "runs", "run.sh", "rerun", "r-u-n"]
    assert len(dashboard.lines) == 5  # no headings among them
    dashboard.apply([{"id": 5, "entry": {"timestamp": NOW, "name": "finish", "context": {}}}])
    dashboard.load([{"id": 9, "name": "running", "state": 16, "t_submit": NOW}])
    dashboard.settle()
    assert shown()[:3] == ["run", "running", "runs"]
    dashboard.set_sort("name", False)
    assert shown()[0] == "r-u-n"
    dashboard.set_query("")
    dashboard.set_sort("state", False)
    assert len(dashboard.lines) > len(dashboard.view)
