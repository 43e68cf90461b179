"""What a trust's systems may send: the data of each event type, checked by itself."""

from datetime import date
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)


def _on_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("Write one line of text, without control characters.")
    return text


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_on_one_line),
]
ExternalId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
"""The trust's own id: no e-mail address, as it is in events that are kept for ever."""
RoleCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,31}$")]
Urn = Annotated[int, Field(ge=100000, le=999999)]
WorkEmail = Annotated[
    str, Field(max_length=254, pattern=r'^[^\s@,;<>"]+@[^\s@,;<>"]+\.[^\s@,;<>".]+$')
]
Day = Annotated[date, Field(ge=date(1950, 1, 1), le=date(2050, 8, 31))]
"""A date that posts may have."""
Trn = Annotated[str, Field(pattern=r"^[0-9]{7}$")]
"""A teacher reference number."""


class Report(BaseModel):
    """A field that nobody knows is refused: it is misspelt, or says what is not to be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    external_id: ExternalId


class _Period(Report):
    first: Day = Field(alias="from", description="The first day")
    last: Day | None = Field(None, alias="to", description="The last day, where it is known")

    @model_validator(mode="after")
    def _runs_forwards(self) -> Self:
        if self.last is not None and self.last < self.first:
            raise ValueError(f"The dates run backwards: from {self.first} to {self.last}.")
        return self


class StaffReport(_Period):
    """A member of staff in a post, as it is from now on: all of it, not only what has changed."""

    name: Line
    school_urn: Urn
    role_code: RoleCode
    role_title: Line | None = None
    work_email: WorkEmail | None = None
    trn: Trn | None = Field(None, description="Kept sealed, for matching alone")


class LeavingReport(Report):
    left_on: Day = Field(description="The last day in the post")


class AbsenceReport(_Period):
    """That somebody is away, and never why."""


class SchoolReport(Report):
    school_urn: Urn


REPORTS: Final[dict[str, type[Report]]] = {
    "uk.aspire.mis.StaffReported.v1": StaffReport,
    "uk.aspire.mis.StaffLeft.v1": LeavingReport,
    "uk.aspire.mis.AbsenceReported.v1": AbsenceReport,
    "uk.aspire.mis.SchoolReported.v1": SchoolReport,
}
"""What a trust may send, by the CloudEvents `type`."""
