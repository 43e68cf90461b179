"""Compares ledger, databases, topics and report. It shares no code with the platform."""

from collections.abc import Sequence

from tests.chaos.checker import commands, consumers, programme, streams
from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.findings import Check
from tests.chaos.ledger import Command

__all__ = ["check"]


def check(
    evidence: Evidence, ledger: Sequence[Command], ended_by_themselves: Sequence[str]
) -> list[Check]:
    """All checks, each with what it found."""
    processes = Check("no process ended by itself")
    for obituary in ended_by_themselves:
        processes.wrong(obituary)
    return [
        processes,
        *commands.checks(evidence, ledger),
        *streams.checks(evidence),
        *consumers.checks(evidence),
        *programme.checks(evidence),
    ]
