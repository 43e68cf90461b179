"""The image's health check: exit code 0 where this container's /health/ready says that it works.

`python -m deploy.compose.ready`; the image has no other HTTP client.
"""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Final

SECONDS: Final = 7


def check(environment: Mapping[str, str] = os.environ) -> tuple[bool, str]:
    """Whether the service on this machine's port is ready, and its answer in full."""
    url = f"http://127.0.0.1:{environment.get('ASPIRE_HTTP_PORT', '8000')}/health/ready"
    # Not by way of a proxy, whatever the environment says: it is this container that is asked.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=SECONDS) as answer:
            return True, answer.read().decode()
    except urllib.error.HTTPError as error:
        return False, error.read().decode(errors="replace")
    except OSError as error:
        return False, f"{url} does not answer: {error}"


def main() -> None:
    """Prints the answer, which `docker inspect` shows, and ends with 0 or 1."""
    ready, detail = check()
    sys.stdout.write(detail + "\n")
    sys.exit(0 if ready else 1)


if __name__ == "__main__":
    main()
