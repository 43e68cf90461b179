"""Secrets are sealed under keys, and found again by marks."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from shared.sealing import CannotOpen, Sealer, make_keys
from shared.settings import SettingMissing, Settings, SettingWrong

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def sealer(*keys: str) -> Sealer:
    return Sealer(Settings(sealing_keys=SecretStr(",".join(keys))))


def test_what_is_sealed_opens_under_any_of_the_keys_and_no_other() -> None:
    sealed = sealer(OLD).seal("s3cret – é")
    assert b"s3cret" not in sealed
    assert sealer(NEW, OLD).open(sealed) == "s3cret – é"
    with pytest.raises(CannotOpen, match="ASPIRE_SEALING_KEYS"):
        sealer(NEW).open(sealed)


def test_the_first_key_seals() -> None:
    assert sealer(NEW).open(sealer(NEW, OLD).seal("s3cret")) == "s3cret"


def test_the_same_text_has_the_same_mark_and_an_older_key_s_too() -> None:
    [old] = sealer(OLD).marks("1234567")
    assert sealer(OLD).marks("1234567") == [old]
    assert sealer(OLD).marks("1234568") != [old]
    assert sealer(NEW, OLD).marks("1234567")[1] == old


def test_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "home" / "sealing.keys"
    for _ in range(2):
        make_keys(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    sealed = Sealer(Settings(home=tmp_path / "home")).seal("s3cret")
    make_keys(file)
    assert Sealer(Settings(sealing_keys_file=file)).open(sealed) == "s3cret"


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_without_keys_the_variable_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingMissing, match="ASPIRE_SEALING_KEYS_FILE"):
        Sealer(Settings(sealing_keys_file=file))


def test_what_is_no_key_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingWrong, match="ASPIRE_SEALING_KEYS holds") as refused:
        sealer("s3cret")
    assert "s3cret" not in str(refused.value)
