"""A refusal names itself."""

import pytest

from shared.problems import FieldError, NotFound, Refused, slug


class SchoolAlreadyMember(Refused):
    status = 409
    title = "School is already a member"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SchoolAlreadyMember", "school-already-member"),
        ("URNTaken", "urn-taken"),
        ("NotFound", "not-found"),
        ("NoPlaceOnDay2", "no-place-on-day2"),
    ],
)
def test_a_slug_follows_from_the_name(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_a_refusal_has_a_type_a_status_and_a_sentence() -> None:
    refused = SchoolAlreadyMember("It joined on 1 September 2026.")
    assert refused.type() == "https://aspire.example/problems/school-already-member"
    assert (refused.status, str(refused)) == (409, "It joined on 1 September 2026.")
    assert NotFound("There is no such school.").status == 404


def test_faulty_fields_may_be_given_as_pairs() -> None:
    refused = Refused("No.", errors=[("#/urn", "Six digits."), FieldError("#/name", "Needed.")])
    assert [error.pointer for error in refused.errors] == ["#/urn", "#/name"]
