"""What other servers' answers are asked with."""

from typing import Final

import httpx

NO_ANSWER: Final = (httpx.HTTPError, AttributeError)
"""What httpx raises where no answer comes. AttributeError: anyio asks a connection that the other
end closed at once for its socket, which uvloop does not know any more."""
