"""Secrets that have to be kept are sealed; where there are no keys for that, nothing is taken."""

import logging
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from shared.problems import Refused
from shared.sealing import Sealer
from shared.settings import SettingMissing, Settings, SettingWrong
from shared.web.context import context_of

log = logging.getLogger(__name__)


class CannotSeal(Refused):
    status = 503
    title = "What has to be kept secret cannot be kept at the moment"


async def _sealing(request: Request) -> Callable[[], Sealer]:
    settings = context_of(request).settings
    return lambda: sealer(settings)


def sealer(settings: Settings) -> Sealer:
    """Raises CannotSeal."""
    try:
        return Sealer(settings)
    except (SettingMissing, SettingWrong) as error:
        log.error("%s", error)
        raise CannotSeal(
            "The platform has no keys to seal it with. Nothing was changed; its operators "
            "find the reason in the log.",
            headers={"Retry-After": "300"},
        ) from error


Sealing = Annotated[Callable[[], Sealer], Depends(_sealing)]
"""Makes the sealer, for the few requests that need it. Raises CannotSeal."""
