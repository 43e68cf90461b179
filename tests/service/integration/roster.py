"""OneRoster files, made up."""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from services.integration.domain.oneroster import HEADERS

Rows = Sequence[Mapping[str, str]]

ORG = {"sourcedId": "org-ash", "name": "Ash", "type": "school", "identifier": "100001"}
USER = {
    "sourcedId": "user-zoe",
    "enabledUser": "true",
    "username": "zoe",
    "givenName": "Zoë",
    "familyName": "Secret",
    "email": "zoe@secret.example",
}
ROLE = {
    "sourcedId": "role-zoe",
    "userSourcedId": "user-zoe",
    "roleType": "primary",
    "role": "teacher",
    "beginDate": "2026-09-01",
    "orgSourcedId": "org-ash",
}
ACTIVE = {"status": "active", "dateLastModified": "2026-11-01T00:00:00.000Z"}
GONE = {"status": "tobedeleted", "dateLastModified": "2026-11-01T00:00:00.000Z"}


def table(name: str, rows: Rows) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, HEADERS[name], restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def manifest(**modes: str) -> bytes:
    rows = [("manifest.version", "1.0"), ("oneroster.version", "1.2")]
    rows += [(f"file.{name}", mode) for name, mode in modes.items()]
    return table("manifest", [{"propertyName": name, "value": value} for name, value in rows])


ALL_IN_BULK = manifest(orgs="bulk", users="bulk", roles="bulk", courses="absent")


def packed(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def bulk(
    orgs: Rows | bytes = (ORG,),
    users: Rows | bytes = (USER,),
    roles: Rows | bytes = (ROLE,),
    manifest: bytes = ALL_IN_BULK,
) -> bytes:
    """Rows, or a file as it is."""
    files = {"orgs": orgs, "users": users, "roles": roles}
    whole = {
        f"{name}.csv": of if isinstance(of, bytes) else table(name, of)
        for name, of in files.items()
    }
    return packed({"manifest.csv": manifest} | whole)


def delta(**rows: Rows) -> bytes:
    modes: dict[str, Any] = dict.fromkeys(("orgs", "users", "roles"), "absent")
    modes |= dict.fromkeys(rows, "delta")
    files = {"manifest.csv": manifest(**modes)}
    return packed(files | {f"{name}.csv": table(name, of) for name, of in rows.items()})
