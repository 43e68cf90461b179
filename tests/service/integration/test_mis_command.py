"""`aspire mis`: a file is shown before it is applied, by hand and from a folder."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.cli.app import invoke
from tests.service.integration.roster import ROLE, bulk
from tests.service.integration.test_rosters import mis, posts
from tests.service.integration.world import World, named
from tests.service.serving import served

__all__ = ["mis"]

WRONG = bulk(roles=[ROLE, ROLE | {"sourcedId": "r2", "orgSourcedId": "org-x"}])


@pytest_asyncio.fixture
async def url(mis: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with served(mis.integration.running.app) as address:
        monkeypatch.setenv("ASPIRE_INTEGRATION_URL", address)
        monkeypatch.setenv("ASPIRE_TRUST", str(named("Solent")))
        monkeypatch.setenv("ASPIRE_TRUST_SECRET", mis.secrets["Solent"])
        yield address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    exports = tmp_path / "exports"
    exports.mkdir()
    return exports


async def aspire(*arguments: str | Path) -> int:
    """In a thread, as it waits for the service, which runs here."""
    return await asyncio.to_thread(invoke, ["mis", *map(str, arguments)])


async def look(folder: Path, *options: str) -> list[str]:
    """What is in the folder after a look at it, with the folders below it."""
    assert await aspire("watch", folder, "--once", *options) == 0
    return files(folder)


def files(folder: Path) -> list[str]:
    """Without the time in the names of what was put away."""
    found = [each.name for each in folder.rglob("*") if each.is_file()]
    return sorted(name.partition("-")[2] or name for name in found)


def put(folder: Path, content: bytes) -> Path:
    """A file that nobody writes any more."""
    file = folder / "export.zip"
    file.write_bytes(content)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return file


async def test_a_file_is_shown_and_applied_where_somebody_says_so(
    url: str, mis: World, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = put(folder, bulk())
    assert await aspire("import", file) == 0  # nobody is at the terminal
    assert "Nothing was changed." in capsys.readouterr().out
    assert await posts(mis) == []
    assert await aspire("import", file, "--apply") == 0
    assert "Applied." in capsys.readouterr().out
    assert len(await posts(mis)) == 1


async def test_a_refused_row_is_shown_by_file_line_and_reason(
    url: str, mis: World, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await aspire("import", put(folder, WRONG), "--apply") == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "roles.csv 3 The row is not valid" in shown
    assert len(await posts(mis)) == 1


@pytest.mark.parametrize("wrong", ["no such file", "no zip", "no secret"])
async def test_what_is_wrong_is_one_line(
    url: str, folder: Path, wrong: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    file = put(folder, b"" if wrong == "no zip" else bulk())
    if wrong == "no such file":
        file.unlink()
    if wrong == "no secret":
        monkeypatch.setenv("ASPIRE_TRUST_SECRET", "s3cret")
    assert await aspire("import", file) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "s3cret" not in err


async def test_the_office_may_import_for_a_trust(
    url: str, mis: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASPIRE_TRUST_SECRET")
    monkeypatch.setenv("ASPIRE_TOKEN", mis.issuer.issue("office", "ada"))
    assert await aspire("import", put(folder, bulk()), "--apply", "--json") == 0
    assert len(await posts(mis)) == 1


async def test_a_watched_folder_waits_for_somebody_to_agree(
    url: str, mis: World, folder: Path
) -> None:
    file = put(folder, bulk())
    assert await look(folder) == ["export.zip", "export.zip.preview.json"]
    assert json.loads((folder / "export.zip.preview.json").read_text())["counts"]["new"] == 1
    assert await look(folder) == ["export.zip", "export.zip.preview.json"]
    assert await posts(mis) == []
    file.with_name("export.zip.apply").touch()
    assert await look(folder) == ["export.zip", "export.zip.json"]
    assert len(await posts(mis)) == 1
    assert await look(folder) == ["export.zip", "export.zip.json"]


async def test_with_apply_it_goes_in_by_itself_unless_many_leave_or_a_row_is_wrong(
    url: str, mis: World, folder: Path
) -> None:
    put(folder, bulk())
    await look(folder, "--apply")
    assert len(await posts(mis)) == 1
    put(folder, bulk(roles=[]))
    assert "export.zip.preview.json" in await look(folder, "--apply", "--most-leaving", "0")
    put(folder, WRONG)
    os.utime(folder / "export.zip.preview.json", (1, 1))
    assert "export.zip.preview.json" in await look(folder, "--apply")
    assert [row[-1] for row in await posts(mis)] == [None]


async def test_what_cannot_be_read_is_put_away_and_a_service_that_is_away_is_waited_for(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, b"no zip")
    monkeypatch.setenv("ASPIRE_INTEGRATION_URL", "http://127.0.0.1:9")
    assert await look(folder) == ["export.zip"]
    monkeypatch.setenv("ASPIRE_INTEGRATION_URL", url)
    assert await look(folder) == ["export.zip", "export.zip.json"]
    [result] = (folder / "refused").glob("*.json")
    assert "no zip" in json.loads(result.read_text())["refused"]
