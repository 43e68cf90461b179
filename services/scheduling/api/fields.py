"""Fields that several bodies share."""

from decimal import Decimal
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, Field

from services.scheduling.domain import MOST_HOURS, MOST_PLACES, QUARTER
from shared.web import Day

HUNDREDTH = Decimal("0.01")

Hours = Annotated[
    Decimal,
    Field(ge=QUARTER, le=MOST_HOURS, multiple_of=QUARTER, description="Quarter hours up to 12"),
    AfterValidator(lambda hours: hours.quantize(HUNDREDTH)),
]
"""Always with two decimals, so that a fact reads the same in every event and answer."""

Places = Annotated[int, Field(ge=1, le=MOST_PLACES, strict=True)]

From = Annotated[Day | None, Query(alias="from", description="Only days on this date or later")]
To = Annotated[Day | None, Query(alias="to", description="Only days on this date or before")]
