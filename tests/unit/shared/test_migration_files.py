"""Migrations are numbered SQL files, the kernel's before the service's."""

from pathlib import Path

import pytest

from shared.database import migrations_of
from shared.service import SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_the_shared_ones_come_first(service: str) -> None:
    names = [migration.name for migration in migrations_of(f"services.{service}")]
    assert names[0] == "messaging/0001_kernel.sql"
    assert "web/0001_idempotency.sql" in names
    assert all(name.startswith(("messaging/", "web/", f"{service}/")) for name in names)


@pytest.mark.parametrize(
    "files",
    [["0002_second.sql"], ["0001_one.sql", "0001_two.sql"], ["first.sql"], ["0001-dash.sql"]],
)
def test_numbers_count_without_a_gap_or_a_repetition(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = f"package_{abs(hash(tuple(files)))}"
    folder = tmp_path / package / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / package / "__init__.py").touch()
    for name in files:
        (folder / name).write_text("SELECT 1;")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="should be named"):
        migrations_of(package)
