"""Settings come from the environment, and a missing one is named."""

from pathlib import Path

import pytest

from shared.settings import SettingMissing, Settings


def test_they_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASPIRE_KAFKA", "broker:9092")
    monkeypatch.setenv("ASPIRE_PARTITIONS", "6")
    settings = Settings()
    assert (settings.kafka, settings.partitions) == ("broker:9092", 6)


def test_a_missing_database_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASPIRE_CPD_DATABASE_URL", raising=False)
    with pytest.raises(SettingMissing, match="ASPIRE_CPD_DATABASE_URL is not set"):
        Settings().database_url("cpd")
    monkeypatch.setenv("ASPIRE_CPD_DATABASE_URL", "postgresql://cpd@db/cpd")
    assert Settings().database_url("cpd") == "postgresql://cpd@db/cpd"


def test_the_local_issuers_keys_are_in_the_home(tmp_path: Path) -> None:
    local = Settings(home=tmp_path)
    assert local.jwks_url == (tmp_path / "issuer" / "jwks.json").as_uri()
    assert Settings(issuer="https://id.example").jwks_url is None
    assert Settings(jwks="https://id.example/keys").jwks_url == "https://id.example/keys"
