"""Settings come from the environment, and a missing one is named."""

from pathlib import Path

import pytest

from shared.settings import (
    SettingMissing,
    Settings,
    SettingWrong,
    checked_database_url,
    without_password,
)


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


SASL: dict[str, str | None] = {
    "SECURITY_PROTOCOL": "SASL_SSL",
    "SASL_MECHANISM": "scram-sha-512",
    "SASL_USERNAME": "aspire",
    "SASL_PASSWORD": "s3cret",
}


def told(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str | None]) -> Settings:
    """The settings of an environment that has these variables of Kafka's."""
    for name, value in variables.items():
        if value is not None:
            monkeypatch.setenv(f"ASPIRE_KAFKA_{name}", value)
    return Settings()


def test_kafka_takes_a_user_and_nobody_is_shown_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = told(monkeypatch, SASL)
    assert (settings.kafka_sasl_mechanism, settings.kafka_password()) == ("SCRAM-SHA-512", "s3cret")
    assert "s3cret" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    monkeypatch.delenv("ASPIRE_KAFKA_SASL_PASSWORD")
    file = tmp_path / "password"
    file.write_text("from a file\n")
    settings = told(monkeypatch, {"SASL_PASSWORD_FILE": str(file)})
    assert settings.kafka_password() == "from a file"
    file.write_text("renewed")
    assert settings.kafka_password() == "renewed"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SECURITY_PROTOCOL": "TLS"}, "ASPIRE_KAFKA_SECURITY_PROTOCOL is “TLS”"),
        ({"SASL_MECHANISM": "MD5"}, "ASPIRE_KAFKA_SASL_MECHANISM is “MD5”"),
        ({"SECURITY_PROTOCOL": None}, "is PLAINTEXT, and ASPIRE_KAFKA_SASL_MECHANISM is set"),
        ({"SECURITY_PROTOCOL": "SSL"}, "is SSL, and ASPIRE_KAFKA_SASL_MECHANISM is set"),
        ({"SASL_MECHANISM": None}, "ASPIRE_KAFKA_SASL_MECHANISM is not set"),
        ({"SASL_USERNAME": None}, "ASPIRE_KAFKA_SASL_USERNAME is not set"),
        ({"SASL_PASSWORD": None}, "ASPIRE_KAFKA_SASL_PASSWORD_FILE is not set"),
        ({"SASL_PASSWORD": ""}, "ASPIRE_KAFKA_SASL_PASSWORD_FILE is not set"),
        ({"SASL_PASSWORD_FILE": "nowhere"}, "not both"),
        (
            {"SASL_PASSWORD": None, "SASL_PASSWORD_FILE": "nowhere"},
            "ASPIRE_KAFKA_SASL_PASSWORD_FILE is “nowhere”: it cannot be read (No such file",
        ),
        (
            {"SSL_CA_FILE": "nowhere.pem"},
            "ASPIRE_KAFKA_SSL_CA_FILE is “nowhere.pem”: it cannot be read (No such file",
        ),
        ({"SSL_CA_FILE": __file__}, "it has no certificates in PEM"),
        (
            {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SSL_CA_FILE": "ca.pem"},
            "is SASL_PLAINTEXT, which is not TLS",
        ),
    ],
)
def test_how_kafka_is_come_into_is_complete_or_refused(
    changes: dict[str, str | None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingWrong) as refused:
        told(monkeypatch, SASL | changes)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sslmode=verify-all", "sslmode=verify-all: it is one of disable"),
        ("sslmode=verify-full&sslrootcert=nowhere.pem", "sslrootcert in CPD is “nowhere.pem”"),
        (f"sslmode=verify-full&sslrootcert={__file__}", "it has no certificates"),
    ],
)
def test_a_database_that_cannot_be_trusted_is_refused(query: str, said: str) -> None:
    with pytest.raises(SettingWrong) as refused:
        checked_database_url("CPD", f"postgresql://cpd:s3cret@db/cpd?{query}")
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://cpd:s3:cret@db:5432/cpd", "postgresql://cpd:***@db:5432/cpd"),
        ("postgresql://cpd@db/cpd?sslmode=require", "postgresql://cpd@db/cpd?sslmode=require"),
        ("postgresql://db/cpd?user=a&password=s3cret", "postgresql://db/cpd?user=a&password=***"),
        ("postgresql://cpd:s3cret@one,two:1/cpd", "postgresql://cpd:***@one,two:1/cpd"),
    ],
)
def test_a_database_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


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


def test_services_of_the_operators_page_are_named_with_their_addresses() -> None:
    given = Settings(operations_services="cpd=http://cpd:8000, reporting=https://reporting")
    assert given.operations_urls == {"cpd": "http://cpd:8000", "reporting": "https://reporting"}
    assert Settings().operations_urls == {}
    for wrong in ("cpd", "cpd=cpd:8000", "cpd=http://cpd,,reporting=x", "CPD=http://cpd"):
        with pytest.raises(SettingWrong, match="ASPIRE_OPERATIONS_SERVICES is"):
            Settings(operations_services=wrong)


def test_traces_are_looked_at_where_they_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_ZIPKIN_ENDPOINT", raising=False)
    assert Settings().zipkin_url is None
    monkeypatch.setenv("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://zipkin:9411/api/v2/spans")
    assert Settings().zipkin_url == "http://zipkin:9411"
    assert Settings(zipkin="https://traces.example/").zipkin_url == "https://traces.example"
