"""The real registers go in whole, in flat memory; they are no part of the tree."""

import os
import resource
from pathlib import Path

import pytest

from tests.service.membership.office import Office

FOLDER = Path(
    os.environ.get("ASPIRE_REGISTER_DATA")
    or Path(__file__).resolve().parents[3].parent / "shared" / "data"
)


@pytest.mark.parametrize(
    ("name", "schools", "closed"),
    [
        ("gias_national_register.csv.gz", 21_334, 1_408),
        ("gias_extract_hampshire_surrey_20220420.csv.gz", 1_096, 368),
    ],
)
async def test_a_real_register_goes_in_whole_and_a_second_time_changes_nothing(
    office: Office, name: str, schools: int, closed: int
) -> None:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the real register {path} is not here; ASPIRE_REGISTER_DATA names its folder")
    content = path.read_bytes()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = (await office.imports(content)).json()
    assert report["registered"] == report["rows"] == schools, report["refused"]
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 100
    events = await office.types()
    assert (events.count("SchoolRegistered"), events.count("SchoolClosed")) == (schools, closed)
    again = (await office.imports(content)).json()
    assert again["unchanged"] == again["rows"] == schools
    assert len(await office.types()) == len(events)
