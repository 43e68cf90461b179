"""`python -m deploy.docs`: writes docs/events.md, docs/schemas and what is generated of
docs/integration, or says what may not change."""

import json
import sys
from pathlib import Path

from deploy.docs.asyncapi import asyncapi
from deploy.docs.openapi import openapi
from deploy.docs.page import page
from deploy.docs.schemas import Schema, as_text, incompatible_changes, schemas
from deploy.docs.trusts_page import trusts_page

DOCS = Path(__file__).parents[2] / "docs"


def published(docs: Path = DOCS) -> dict[str, Schema]:
    """The schemas as they were written last, by type."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in docs.glob("schemas/*.json")}


def generated() -> dict[str, str]:
    """Every generated file: its path below docs, and its content."""
    files = {f"schemas/{name}.json": as_text(schema) for name, schema in schemas().items()}
    for_trusts = {
        "integration/asyncapi.json": as_text(asyncapi()),
        "integration/openapi.json": as_text(openapi()),
        "integration/events.md": trusts_page(),
    }
    return {"events.md": page(), **for_trusts, **files}


def main() -> int:
    """Exit code 1, with nothing written, where a published type would change incompatibly."""
    if wrong := incompatible_changes(published(), schemas()):
        sys.stderr.write(
            "A published type only ever gains optional fields; make a new type, .v2, instead:\n"
            + "".join(f"  {each}\n" for each in wrong)
        )
        return 1
    for name, content in generated().items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != content:
            path.write_text(content, "utf-8")
            sys.stdout.write(f"docs/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
