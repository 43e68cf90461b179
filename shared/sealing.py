"""What a database has to keep and must not show: sealed under keys that are not in it.

Fernet (AES in CBC mode, and an HMAC with SHA-256 over it), as `cryptography` has it.
"""

import base64
import hmac
import os
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.settings import PREFIX, SettingMissing, Settings, SettingWrong

KEYS: Final = f"{PREFIX}SEALING_KEYS"
FILE: Final = f"{PREFIX}SEALING_KEYS_FILE"


class CannotOpen(Exception):  # noqa: N818 - reads as a claim
    """Something was sealed under a key that is not among the keys any more."""


class Sealer:
    """Seals under the first of the keys, and opens under each of them: so a key can be replaced by
    putting a new one before it."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingMissing or SettingWrong, naming the variable, where there are no keys."""
        keys = _keys(settings)
        self._keys = MultiFernet([Fernet(key) for key in keys])
        self._marking = [base64.urlsafe_b64decode(key) for key in keys]

    def seal(self, text: str) -> bytes:
        return self._keys.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Raises CannotOpen."""
        try:
            return self._keys.decrypt(sealed).decode()
        except InvalidToken:
            raise CannotOpen(f"Something was sealed under a key that {KEYS} lacks.") from None

    def marks(self, text: str) -> list[bytes]:
        """By which the text is found again without being opened: an HMAC (SHA-256) under each key.
        The first is the one to keep, and all are those to look for."""
        return [hmac.digest(key, b"mark:" + text.encode(), "sha256") for key in self._marking]


def make_keys(file: Path) -> None:
    """A first key, for its owner alone to read, where there is no such file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(made, "wb") as out:
        out.write(Fernet.generate_key() + b"\n")


def _keys(settings: Settings) -> list[str]:
    given = settings.sealing_keys.get_secret_value() if settings.sealing_keys else _read(settings)
    keys = given.replace(",", " ").split()
    try:
        for key in keys:
            Fernet(key)
        return keys
    except ValueError:
        raise SettingWrong(
            f"{KEYS} holds something that is no key: each is 32 random bytes in base64 (URL-safe), "
            "and several are separated by commas."
        ) from None


def _read(settings: Settings) -> str:
    file = settings.sealing_keys_file or settings.home / "sealing.keys"
    try:
        keys = file.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        keys = ""
    if keys.strip():
        return keys
    raise SettingMissing(
        f"There are no keys to seal secrets with: {KEYS} is not set, and “{file}” ({FILE}) cannot "
        "be read or is empty. `aspire up` makes one for the services that it starts."
    )
