"""The report on the terminal says what reporting says, right-aligned and in words."""

import io
from typing import Any

import pytest
from rich.console import Console

from deploy.cli import figures

REPORT: dict[str, Any] = {
    "year": "2025-26",
    "first_day": "2025-09-01",
    "last_day": "2026-08-31",
    "scope": {"kind": "national", "id": None, "name": "England"},
    "networks": {"total": 19, "newly_established": 13, "by_region": {"London": 2, "South West": 1}},
    "member_schools": {
        "total": 133,
        "joined": 107,
        "by_pathway": {"partner_schools": 109, "connect": 24},
        "by_region": {"London": 15, "South West": 7},
    },
    "starting_points": {
        "overall_grade": {"total": 3, "by_judgement": {"outstanding": 1, "good": 2}},
        "report_card": {"total": 0, "by_judgement": {"strong_standard": 0}},
        "not_inspected": {"total": 0, "by_judgement": {}},
    },
    "leaders": {"total": 749, "senior_and_middle": 590, "by_role": {"senior_leader": 266}},
    "network_days": {"held": 152, "scheduled": 0, "cancelled": 14},
    "attendance": {
        "places": 1867, "attended": 1631, "late": 84, "excused": 68, "absent": 84, "rate": "0.9186",
    },
    "days_in_schools": 1164,
    "cpd_hours": {"total": "16111.75", "by_strand": {"leadership": "3699.75"}},
    "by_month": [
        {
            "month": "2025-09",
            "network_days_held": 21,
            "days_in_schools": 97,
            "cpd_hours": "1895.50",
            "attendance": {"rate": None},
        }
    ],
}  # fmt: skip


def printed(report: dict[str, Any], monkeypatch: pytest.MonkeyPatch, width: int = 120) -> str:
    file = io.StringIO()
    monkeypatch.setattr(figures, "out", Console(file=file, width=width, color_system=None))
    figures.print_figures(report)
    return file.getvalue()


def test_the_figures_are_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(REPORT, monkeypatch)
    assert "England" in text
    assert "1 September 2025 to 31 August 2026" in text
    for figure in ("1,867", "91.9%", "1,164", "16,111.75", "3 of 3 with an overall grade"):
        assert figure in text


def test_the_first_figures_are_right_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(REPORT, monkeypatch).splitlines()
    ends = {
        line.index(figure) + len(figure)
        for line in lines[:12]
        for name, figure in (("Networks ", "19"), ("Days in schools", "1,164"))
        if name in line
    }
    assert len(ends) == 1


def test_a_rate_of_nothing_is_a_dash() -> None:
    assert figures.percent(None) == "–"
    assert figures.percent("0.9250") == "92.5%"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_it_fits_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(map(len, printed(REPORT, monkeypatch, width).splitlines())) <= width
