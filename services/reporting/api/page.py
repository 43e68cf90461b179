"""The page: a public shell that asks for a token and draws the figures that it fetches with it.

Everything comes from this service, under a policy that lets no other script run.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Final

import plotly
from fastapi import APIRouter, Header, Query
from starlette.responses import HTMLResponse, Response

from shared.problems import NotFound

router = APIRouter(include_in_schema=False)

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# A file's address on the page holds its version, so a browser may keep it for good.
FOR_GOOD: Final = "public, max-age=31536000, immutable"
CHECK_AGAIN: Final = "no-cache"

FILES: Final = {
    "report.css": ("services.reporting", "pages/report.css", "text/css"),
    "figures.js": ("services.reporting", "pages/figures.js", "text/javascript"),
    "plots.js": ("services.reporting", "pages/plots.js", "text/javascript"),
    "report.js": ("services.reporting", "pages/report.js", "text/javascript"),
    "plotly.min.js": ("plotly", "package_data/plotly.min.js", "text/javascript"),
}


class FileUnknown(NotFound):
    title = "There is no such file"


@dataclass(frozen=True)
class File:
    """A file of the page, also packed; its version follows from its content."""

    content: bytes
    packed: bytes
    media_type: str
    version: str


@cache
def file(name: str) -> File:
    package, path, media_type = FILES[name]
    content = resources.files(package).joinpath(path).read_bytes()
    return File(
        content=content,
        packed=gzip.compress(content, 6, mtime=0),
        media_type=media_type,
        version=hashlib.sha256(content).hexdigest()[:16],
    )


@cache
def shell() -> str:
    html = resources.files("services.reporting").joinpath("pages/report.html").read_text("utf-8")
    for name in FILES:
        version = plotly.__version__ if name == "plotly.min.js" else file(name).version
        html = html.replace(f'/pages/{name}"', f'/pages/{name}?v={version}"')
    return html


@router.get("/")
async def page() -> HTMLResponse:
    return HTMLResponse(shell(), headers=HEADERS | {"Cache-Control": CHECK_AGAIN})


@router.get("/pages/{name}")
def page_file(
    name: str,
    v: Annotated[str, Query(max_length=64)] = "",
    accept_encoding: Annotated[str, Header()] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """Not async: packing plotly the first time takes half a second, which a thread may spend."""
    if name not in FILES:
        raise FileUnknown(f"The page has no file “{name}”.")
    found = file(name)
    headers = HEADERS | {
        "Cache-Control": FOR_GOOD if v else CHECK_AGAIN,
        "ETag": f'"{found.version}"',
        "Vary": "Accept-Encoding",
    }
    if headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    if "gzip" in accept_encoding:
        headers["Content-Encoding"] = "gzip"
        return Response(found.packed, headers=headers, media_type=found.media_type)
    return Response(found.content, headers=headers, media_type=found.media_type)
