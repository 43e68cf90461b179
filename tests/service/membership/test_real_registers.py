"""The real registers go in whole, quickly, in flat memory; they are no part of the tree."""

import os
import resource
import time
from pathlib import Path

import pytest

from tests.service.membership.office import Office

FOLDER = Path(
    os.environ.get("ASPIRE_REGISTER_DATA")
    or Path(__file__).resolve().parents[3].parent / "shared" / "data"
)
AT_LEAST_SCHOOLS_A_SECOND = 5000
"""Of this process's own time: the clock on the wall measures whatever else the machine does."""


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

    began, spent = time.monotonic(), time.process_time()
    report = (await office.imports(content)).json()
    seconds, spent = time.monotonic() - began, time.process_time() - spent

    assert report["registered"] == report["rows"] == schools, report["refused"]
    if schools > AT_LEAST_SCHOOLS_A_SECOND:
        assert schools / spent > AT_LEAST_SCHOOLS_A_SECOND
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 100
    events = await office.types()
    assert (events.count("SchoolRegistered"), events.count("SchoolClosed")) == (schools, closed)
    print(f"{name}: {seconds:.2f} s, {schools / seconds:.0f} schools/s, +{grown_mib:.0f} MiB")  # noqa: T201

    began = time.monotonic()
    again = (await office.imports(content)).json()
    print(f"again: {time.monotonic() - began:.2f} s")  # noqa: T201
    assert again["unchanged"] == again["rows"] == schools
    assert len(await office.types()) == len(events)
