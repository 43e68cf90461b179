"""Asking integration, for the commands about trusts."""

from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from deploy.cli import http
from deploy.cli.where import Platform

Trust = Annotated[UUID, typer.Argument(help="The id of a group of the kind trust.")]
Token = Annotated[
    str | None, typer.Option("--token", help="Whose token to use; else ASPIRE_TOKEN.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def ask(
    method: str,
    path: str,
    token: str | None,
    body: dict[str, Any] | None = None,
    **query: str | int | bool,
) -> Any:
    """What integration answers. Raises CannotDo."""
    platform = Platform.here()
    url = platform.url("integration")
    headers = {"Idempotency-Key": str(uuid4())}
    with (
        http.in_words("integration", url),
        http.client(url, platform.token(token)) as client,
    ):
        asked = client.request(method, path, json=body, headers=headers, params=query)
        return http.check(asked).json()
