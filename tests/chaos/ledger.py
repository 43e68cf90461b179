"""What the clients remember of every command that they sent, in memory and in a file."""

import json
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any


class Outcome(StrEnum):
    """What a client knows of a command."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """Every attempt was answered, and each with a refusal: nothing happened."""
    UNKNOWN = "unknown"
    """At least one attempt was not answered, and none was acknowledged."""


@dataclass
class Command:
    """A command as it was sent. The token's subject names it, and so does the journal's actor."""

    number: int
    kind: str
    service: str
    method: str
    path: str
    body: Any
    key: str
    attempts: int = 0
    unanswered: int = 0
    outcome: Outcome = Outcome.PENDING
    status: int | None = None
    answer: Any = None

    @property
    def subject(self) -> str:
        """Who sends it: a subject of its own for each command."""
        return f"chaos-{self.number}"


@dataclass
class Ledger:
    """All commands, in the order in which they were first sent. Use as `with`."""

    path: Path
    commands: list[Command] = field(default_factory=list)
    _file: IO[str] | None = None

    def __enter__(self) -> "Ledger":
        self._file = self.path.open("a", buffering=1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def open(self, command: Command) -> None:
        """The command is about to be sent for the first time."""
        self.commands.append(command)
        self._write(command)

    def settle(self, command: Command, outcome: Outcome) -> None:
        """It will not be sent again."""
        command.outcome = outcome
        self._write(command)

    def counts(self) -> Counter[Outcome]:
        """Commands by outcome."""
        return Counter(command.outcome for command in self.commands)

    def _write(self, command: Command) -> None:
        assert self._file is not None
        body = command.body if not isinstance(command.body, bytes) else "…"
        facts = vars(command) | {"body": body}
        self._file.write(json.dumps(facts, default=str) + "\n")
