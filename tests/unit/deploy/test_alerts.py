"""The alerts ask for what there is, fire when they should, and lead to pages that help."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy.cli.app import invoke
from shared.service import SERVICES, load
from shared.settings import Settings
from tests.unit.deploy.promql import ROOT, faults, known

RULES: Final = ROOT / "deploy" / "prometheus" / "alerts.yml"
CASES: Final = RULES.with_name("alerts.test.yml")
PAGES: Final = ROOT / "docs" / "operations" / "alerts"
HEADINGS: Final = ["What it means", "Where to look", "What ends it"]
AT_MOST_LINES: Final = 45
"""A page is read within a minute."""


@cache
def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def pages() -> list[Path]:
    return sorted(set(PAGES.glob("*.md")) - {PAGES / "README.md"})


def page_of(alert: str) -> Path:
    words = re.findall(r"[A-Z][a-z]+", alert.removeprefix("Aspire"))
    return PAGES / ("-".join(words).lower() + ".md")


def test_each_alert_says_what_is_wrong_and_has_its_page() -> None:
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        assert ROOT / rule["annotations"]["runbook_url"] == page_of(name)
    assert [page_of(name) for name in sorted(alerts(), key=page_of)] == pages()


def test_the_index_has_a_line_for_each_alert() -> None:
    rows = re.findall(
        r"^\| \[(\w+)\]\(([\w-]+\.md)\) \| (\w+) \| (.+) \|$",
        (PAGES / "README.md").read_text("utf-8"),
        re.MULTILINE,
    )
    assert rows == [
        (name, page_of(name).name, rule["labels"]["severity"], title(page_of(name)))
        for name, rule in alerts().items()
    ]


def title(page: Path) -> str:
    return page.read_text("utf-8").splitlines()[0].removeprefix("# ")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_page_says_what_it_means_where_to_look_and_what_ends_it(page: Path) -> None:
    text = page.read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert len(text.splitlines()) <= AT_MOST_LINES
    for command in commands(text):
        assert is_there(command), command
    variables = {f"ASPIRE_{field.upper()}" for field in Settings.model_fields}
    assert set(re.findall(r"\bASPIRE_[A-Z_]+", text)) <= variables
    named = re.findall(r"\b(?:aspire|http_server|db_client|messaging)_\w+", text)
    labels = {label for of in known().values() for label in of}
    assert set(named) <= known().keys() | labels


def commands(text: str) -> Iterator[str]:
    """The arguments of each `aspire` on a page: in code blocks, and in the text."""
    for told in re.findall(r"^aspire ([^#\n]+)|`aspire ([^`]+)`", text, re.MULTILINE):
        yield "".join(told).strip()


@cache
def is_there(command: str) -> bool:
    """Whether `aspire` takes it; with --help it looks at the options, and does nothing."""
    return invoke([*shlex.split(command), "--help"]) == 0


@pytest.mark.parametrize("name", alerts())
def test_an_alert_asks_for_what_there_is(name: str) -> None:
    assert not list(faults(alerts()[name]["expr"]))


def test_what_there_is_not_is_noticed() -> None:
    assert list(faults('sum by (servce) (rate(aspire_stops{aspire_part="api"}[5m])) > 0')) == [
        "no metric aspire_stops", "no label servce", "no label aspire_part of aspire_stops",
    ]  # fmt: skip


def test_no_part_of_a_service_goes_away_unseen() -> None:
    watched = re.findall(
        r'absent\(aspire_part_working\{service_name="aspire-(\w+)",aspire_part="(\w+)"\}\)',
        alerts()["AspirePartAway"]["expr"],
    )
    assert watched == [(name, part) for name in SERVICES for part in load(name).parts]


def test_each_alert_fires_in_a_case() -> None:
    told = CASES.read_text("utf-8")
    fires = set(re.findall(r'alertname="(\w+)",', told)) | set(
        re.findall(r"alertname: (\w+)\n", told)
    )
    assert alerts().keys() - fires == set()


def test_the_cases_come_out_as_they_should() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; Debian's package prometheus has it")
    ran = subprocess.run(
        [promtool, "test", "rules", CASES.name], cwd=CASES.parent,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
