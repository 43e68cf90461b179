"""A page and its files: public, whole from here, under a policy that lets no other script run."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from starlette.responses import HTMLResponse, Response

from shared.problems import NotFound

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


class FileUnknown(NotFound):
    title = "There is no such file"


@dataclass(frozen=True)
class File:
    """A file in a package. `known_version` is that of a library, which saves reading it."""

    package: str
    path: str
    media_type: str
    known_version: str | None = None

    @cached_property
    def content(self) -> bytes:
        return resources.files(self.package).joinpath(self.path).read_bytes()

    @cached_property
    def packed(self) -> bytes:
        return gzip.compress(self.content, 6, mtime=0)

    @cached_property
    def version(self) -> str:
        """It follows from the content."""
        return hashlib.sha256(self.content).hexdigest()[:16]


class Site:
    """A page at `path`, and its files, which it names as `{path}/pages/NAME`."""

    def __init__(self, path: str, shell: File, files: Mapping[str, File]) -> None:
        self._path = path
        self._shell = shell
        self._files = files

    @cached_property
    def html(self) -> str:
        """The page, with the versions of its files in their addresses."""
        html = self._shell.content.decode("utf-8")
        for name, file in self._files.items():
            address = f"{self._path}/pages/{name}"
            html = html.replace(f'{address}"', f'{address}?v={file.known_version or file.version}"')
        return html

    def router(self) -> APIRouter:
        """Serves both."""
        router = APIRouter(include_in_schema=False)

        @router.get(self._path or "/")
        async def page() -> HTMLResponse:
            return HTMLResponse(self.html, headers=HEADERS | {"Cache-Control": CHECK_AGAIN})

        @router.get(f"{self._path}/pages/{{name}}")
        def page_file(
            name: str,
            v: Annotated[str, Query(max_length=64)] = "",
            accept_encoding: Annotated[str, Header()] = "",
            if_none_match: Annotated[str, Header()] = "",
        ) -> Response:
            """Not async: packing plotly the first time takes half a second, which a thread may
            spend."""
            if name not in self._files:
                raise FileUnknown(f"The page has no file “{name}”.")
            return _answer(
                self._files[name],
                CHECK_AGAIN if not v else FOR_GOOD,
                packed="gzip" in accept_encoding,
                known=if_none_match,
            )

        return router


def _answer(file: File, caching: str, *, packed: bool, known: str) -> Response:
    headers = HEADERS | {
        "Cache-Control": caching,
        "ETag": f'"{file.version}"',
        "Vary": "Accept-Encoding",
    }
    if headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
        return Response(file.packed, headers=headers, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)
