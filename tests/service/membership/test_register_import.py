"""A school register goes in over HTTP: what it changes, what it refuses, what it never reads."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable

import pytest

from tests.service.membership.office import HEADER, Office, problem, register, row

THREE = [row(100001), row(100002), row(100003)]


def zipped(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("links_edubaseall.csv", "URN,LinkURN\r\n100001,100002\r\n")
        file.writestr("edubasealldata.csv", content)
    return archive.getvalue()


def damaged_zip(method: int) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as file:
        file.writestr("edubasealldata.csv", WHOLE)
    content = bytearray(archive.getvalue())
    content[100:400] = b"\xff" * 300
    return bytes(content)


def latin(content: bytes) -> bytes:
    return content.decode().encode("cp1252")


def with_bom(content: bytes) -> bytes:
    return b"\xef\xbb\xbf" + content


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "UTF-8": bytes,
    "Windows-1252": latin,
    "with a BOM": with_bom,
    "gzip": gzip.compress,
    "zip": zipped,
    "Windows-1252 in gzip": lambda content: gzip.compress(latin(content)),
}


async def test_a_register_is_read_in_any_packing_and_encoding(office: Office) -> None:
    content = register([row(100001, name="St Édouard’s – Infants"), row(100002)])
    for name, packed in PACKINGS.items():
        report = (await office.imports(packed(content))).json()
        assert (report["rows"], report["refused"]) == (2, []), name
        assert report["registered" if name == "UTF-8" else "unchanged"] == 2, name
    school = (await office.look("/schools?urn=100001"))["items"][0]
    assert school["name"] == "St Édouard’s – Infants"
    assert (school["region"], school["pupils"], school["la_code"]) == ("South East", 210, "850")
    assert await office.types() == ["SchoolRegistered", "SchoolRegistered"]


async def test_the_same_file_again_changes_nothing(office: Office) -> None:
    content = register([*THREE, row(100004, status="Closed", closed="31-08-2020")])
    await office.imports(content)
    before = await office.types()
    report = (await office.imports(content)).json()
    assert (report["unchanged"], report["rows"]) == (4, 4)
    assert await office.types() == before


async def test_a_changed_row_is_a_change_event_with_all_details(office: Office) -> None:
    school = await office.school(100001)
    report = (await office.imports(register([row(100001, town="Eastleigh")]))).json()
    assert report["changed"] == 1
    name, payload = (await office.events(school["school_id"]))[-1]
    assert name == "SchoolDetailsChanged"
    assert payload is not None
    assert (payload["details"]["town"], payload["details"]["name"]) == (
        "Eastleigh",
        "School 100001",
    )


async def test_columns_come_in_any_order_and_missing_ones_leave_what_is_known(
    office: Office,
) -> None:
    await office.school(100001)
    content = register([row(100001, town="Eastleigh")], header=("Town", "EstablishmentName", "URN"))
    assert (await office.imports(content)).json()["changed"] == 1
    school = (await office.look("/schools?urn=100001"))["items"][0]
    assert (school["town"], school["postcode"]) == ("Eastleigh", "SO14 0AA")


async def test_names_of_people_are_never_read(office: Office) -> None:
    assert "HeadLastName" in HEADER
    await office.imports(register(THREE))
    for table in ("event", "school"):
        rows = await office.pool.fetch(f"SELECT * FROM {table}")  # noqa: S608 - two tables
        assert "Secretname" not in str([dict(each) for each in rows])


async def test_a_school_that_the_register_closes_is_closed_and_leaves_the_programme(
    office: Office,
) -> None:
    membership = await office.member(100001)
    await office.school(100002)
    closing = [
        row(100001, status="Closed", closed="31-10-2026"),
        row(100002, status="Closed"),
        row(100003, status="Closed", closed="31-08-2019"),
    ]
    report = (await office.imports(register(closing))).json()
    assert (report["closed"], report["registered"], report["refused"]) == (2, 1, [])
    events = await office.events(membership["school_id"])
    assert [name for name, _ in events[-2:]] == ["SchoolLeft", "SchoolClosed"]
    assert events[-2][1]["reason"] == "school_closed"  # type: ignore[index]
    ended = await office.look(f"/memberships/{membership['membership_id']}")
    assert (ended["status"], ended["ended_on"]) == ("withdrawn", "2026-10-31")
    dateless = (await office.look("/schools?urn=100002"))["items"][0]
    assert dateless["closed_on"] == "2026-09-15", "without a date it closed on the day of import"


@pytest.mark.parametrize("first", ["the closed row", "the open row"])
async def test_an_academy_with_the_laestab_of_a_closed_school_succeeds_it(
    office: Office, first: str
) -> None:
    membership = await office.member(100001)
    rows = [
        row(100001, status="Closed", closed="30-09-2026", number="2000"),
        row(148213, opened="01-10-2026", number="2000"),
    ]
    await office.imports(register([row(100001, number="2000")]))
    content = register(rows if first == "the closed row" else rows[::-1])
    report = (await office.imports(content)).json()
    assert (report["changed"], report["unchanged"], report["refused"]) == (1, 1, [])
    events = await office.events(membership["school_id"])
    name, payload = events[-2]
    assert name == "SchoolUrnChanged"
    assert payload is not None
    assert (payload["old_urn"], payload["new_urn"]) == (100001, 148213)
    assert payload["changed_on"] == "2026-10-01"
    assert (await office.look(f"/memberships/{membership['membership_id']}"))["status"] == "active"
    by_either = [(await office.look(f"/schools?urn={urn}"))["items"][0] for urn in (100001, 148213)]
    assert by_either[0] == by_either[1]
    again = (await office.imports(content)).json()
    assert again["unchanged"] == 2


async def test_a_closed_school_is_succeeded_though_its_own_row_is_refused(office: Office) -> None:
    await office.school(100001, number="2000")
    closed = row(100001, status="Closed", number="2000", pupils="many")
    report = (await office.imports(register([closed, row(148213, number="2000")]))).json()
    assert (report["changed"], report["refused_count"]) == (1, 1)
    assert report["refused"][0]["reason"].startswith("URN 100001: NumberOfPupils is no number")
    assert (await office.types())[:2] == ["SchoolRegistered", "SchoolUrnChanged"]


async def test_schools_may_exchange_a_laestab_whatever_the_order(office: Office) -> None:
    await office.imports(register([row(100001, number="2000"), row(100002, number="2001")]))
    moved = [row(100002, number="2000"), row(100001, number="2005")]
    report = (await office.imports(register(moved))).json()
    assert (report["changed"], report["refused"]) == (2, [])


BAD = [
    (row("ABC"), "URN is no number of six digits: “ABC”"),
    (row("12345"), "URN is no number of six digits: “12345”"),
    (row(""), "URN is no number of six digits: “”"),
    (row(100001), "URN 100001 stands in the file twice; the first counts"),
    (row(100011, name=""), "URN 100011 has no EstablishmentName"),
    (row(100012, region="Mercia"), "GOR (name) names no region of England: “Mercia”"),
    (row(100013, opened="2020-01-01"), "OpenDate is no date like 31-08-2026: “2020-01-01”"),
    (row(100014, closed="31-02-2020"), "CloseDate is no date like 31-08-2026: “31-02-2020”"),
    (row(100015, pupils="many"), "NumberOfPupils is no number: “many”"),
    (row(100016, town="a\u0007b"), "Town holds control characters"),
    (row(100017, number="0001"), "its LAESTAB 850/0001 is that of School 100001, URN 100001"),
]


async def test_a_bad_row_is_refused_with_its_line_and_the_rest_goes_in(office: Office) -> None:
    bad = [each for each, _ in BAD]
    report = (await office.imports(register([row(100001), *bad, row(100002)]))).json()
    assert (report["registered"], report["refused_count"]) == (2, len(BAD))
    for line, (refused, (_, reason)) in enumerate(
        zip(report["refused"], BAD, strict=True), start=3
    ):
        assert refused["line"] == line
        assert reason in refused["reason"]
    urns = [each["urn"] for each in (await office.look("/schools"))["items"]]
    assert sorted(urns) == [100001, 100002]


REGIONS = {
    "Yorkshire and The Humber": "Yorkshire and the Humber",
    "East Of England": "East of England",
    "London": "London",
    "Not Applicable": None,
    "Wales (pseudo)": None,
    "": None,
}


async def test_a_region_is_known_however_it_is_spelt_and_outside_england_there_is_none(
    office: Office,
) -> None:
    rows = [row(urn, region=region) for urn, region in enumerate(REGIONS, start=100001)]
    assert (await office.imports(register(rows))).json()["registered"] == len(REGIONS)
    schools = (await office.look("/schools"))["items"]
    found = {school["urn"]: school["region"] for school in schools}
    assert [found[urn] for urn in sorted(found)] == list(REGIONS.values())


async def test_broken_quotes_cost_one_row(office: Office) -> None:
    lines = register(THREE).split(b"\r\n")
    lines[2] = lines[2].replace(b'"School 100002"', b'"School "100002')
    report = (await office.imports(b"\r\n".join(lines))).json()
    assert report["registered"] == 2
    assert report["refused"] == [
        {"line": 3, "reason": "its quotation marks do not match, or it is too long"}
    ]


async def test_a_closed_school_is_not_opened_again_by_an_old_file(office: Office) -> None:
    await office.imports(register([row(100001, status="Closed", closed="31-08-2026")]))
    report = (await office.imports(register([row(100001)]))).json()
    assert report["refused_count"] == 1
    assert "A closed school does not open again" in report["refused"][0]["reason"]


WHOLE = register([row(urn) for urn in range(100001, 100400)])


DAMAGED = {
    "empty": (b"", "no-register", "empty"),
    "an image": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no-register", "not text"),
    "another table": (b"Name,Town\r\nA school,Poole\r\n", "no-register", "URN and Establishment"),
    "no names": (register(THREE, header=("URN", "Town")), "no-register", "EstablishmentName"),
    "gzip": (gzip.compress(WHOLE)[:-200], "register-cut-off", "cut off"),
    "zip": (zipped(WHOLE)[:-200], "register-cut-off", "cut off"),
    "LZMA in a zip": (damaged_zip(zipfile.ZIP_LZMA), "register-cut-off", "damaged"),
    "bzip2 in a zip": (damaged_zip(zipfile.ZIP_BZIP2), "register-cut-off", "damaged"),
    "in a value": (WHOLE[:-20], "register-cut-off", "the middle of line 400"),
    "in a row": (WHOLE.rsplit(b",", 3)[0], "register-cut-off", "the middle of line 400"),
}


async def test_what_is_no_register_or_cut_off_is_refused_whole(office: Office) -> None:
    for name, (content, kind, says) in DAMAGED.items():
        answer = await office.imports(content)
        assert problem(answer) == (422, kind), name
        assert says in answer.json()["detail"], name
    assert await office.types() == []


async def test_progress_comes_in_lines_and_the_report_last(office: Office) -> None:
    answer = await office.imports(WHOLE, headers={"Accept": "application/x-ndjson"})
    *progress, report = [json.loads(line) for line in answer.text.splitlines()]
    assert progress[-1] == {"rows": 399, "of": 399}
    assert report["registered"] == 399


async def test_the_same_key_answers_as_before_and_another_file_under_it_is_refused(
    office: Office,
) -> None:
    first = await office.imports(register(THREE), key="k1")
    again = await office.imports(register(THREE), key="k1")
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await office.imports(register(THREE[:1]), key="k1")
    assert problem(other) == (422, "idempotency-key-reused")


async def test_only_the_office_imports(office: Office) -> None:
    for role in ("adviser", "school", "trust", "participant", "operations"):
        answer = await office.imports(register(THREE), token=office.token(role))
        assert problem(answer) == (403, "forbidden")
