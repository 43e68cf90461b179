"""Settings come from the environment, and a missing one is named."""

from pathlib import Path

import pytest

from shared.settings import SettingMissing, Settings, SettingWrong, checked_database_url


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


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ASPIRE_HTTP_PORT", "abc"),
        ("ASPIRE_HTTP_PORT", "70000"),
        ("ASPIRE_KAFKA", "broker:port"),
        ("ASPIRE_KAFKA", "one:9092,"),
        ("ASPIRE_LOG_LEVEL", "LOUD"),
    ],
)
def test_what_no_setting_can_be_is_refused_by_name(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingWrong, match=f"{variable} is “{value}”"):
        Settings()


def test_brokers_are_one_or_several_with_or_without_a_port() -> None:
    for brokers in ("broker", "one:9092,two:9092", "[::1]:9092"):
        assert Settings(kafka=brokers).kafka == brokers


def test_the_url_of_a_database_is_one() -> None:
    for url in (
        "postgresql://cpd:s3cret@db:5432/cpd",
        "postgres://cpd@one:5432,two:5432/cpd?target_session_attrs=primary",
        "postgresql:///cpd?host=/run/postgresql",
    ):
        assert checked_database_url("ASPIRE_CPD_DATABASE_URL", url) == url
    for url in ("nonsense", "mysql://cpd@db/cpd", "postgresql://cpd:s3cret@db:port/cpd"):
        with pytest.raises(SettingWrong, match="ASPIRE_CPD_DATABASE_URL") as refused:
            checked_database_url("ASPIRE_CPD_DATABASE_URL", url)
        assert "s3cret" not in str(refused.value)
