"""Where webhooks may go, and when one that failed is tried again."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.integration.domain.webhooks import (
    JITTER,
    LONGEST_WAIT,
    RETRIES,
    AddressRefused,
    Answer,
    Secret,
    Webhook,
    check_url,
    is_public,
    next_try,
)
from shared.events.integration import WebhookRested, WebhookWoken
from shared.events.vocabulary import WebhookRests

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
FAILED = Answer(status=500)


def webhook(*secrets: Secret) -> Webhook:
    return Webhook(
        webhook_id=uuid4(),
        trust_id=uuid4(),
        url="https://mis.example/aspire",
        types=None,
        made_at=NOW,
        secrets=secrets,
    )


def secret(made_at: datetime = NOW) -> Secret:
    return Secret(secret_id=uuid4(), sealed=b"", made_at=made_at)


@given(st.integers(1, len(RETRIES)), st.floats(0, 1))
def test_a_delivery_is_tried_again_after_its_time_and_a_tenth_of_it_at_most(
    tries: int, chance: float
) -> None:
    wait = next_try(tries, FAILED, chance)
    assert wait is not None
    assert RETRIES[tries - 1] <= wait <= RETRIES[tries - 1] * (1 + JITTER)


def test_after_ten_failures_in_three_days_it_is_no_longer_worth_it() -> None:
    assert next_try(10, FAILED, 0) is None
    assert timedelta(days=3) < sum(RETRIES, timedelta()) < timedelta(days=4)


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (None, timedelta(seconds=5)),
        (timedelta(seconds=-60), timedelta(seconds=5)),
        (timedelta(seconds=1), timedelta(seconds=5)),
        (timedelta(hours=3), timedelta(hours=3)),
        (timedelta(days=400), LONGEST_WAIT),
    ],
)
def test_an_answer_may_ask_for_more_time_up_to_a_day(
    asked: timedelta | None, waits: timedelta
) -> None:
    assert next_try(1, Answer(status=503, retry_after=asked), 0) == waits


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "255.255.255.255",
        "224.0.0.1",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff0e::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:a00:1::",
        "2001:db8::1",
    ],
)
def test_an_address_inside_a_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://mis.example/aspire",
        "ftp://mis.example/aspire",
        "mis.example/aspire",
        "",
        "https://",
        "https:///aspire",
        "https://user@mis.example/",
        "https://user:secret@mis.example/",
        "https://mis.example:port/",
        "https://mis.example:99999/",
        "https://[::1/",
        "https://[::1]/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://localhost/",
        "https://sub.localhost/",
        "https://kafka/",
        "https://postgres.internal/",
        "https://printer.local./",
        "https://169.254.169.254/latest/meta-data",
        "https://mis.example/ aspire",
        "https://mis.example/\naspire",
        "https://schüle.example/",
    ],
)
def test_what_is_no_public_https_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        check_url(url, inside=False)
    assert refused.value.errors[0].pointer == "#/url"


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("https://mis.example/aspire", False),
        ("https://mis.example:8443/aspire?school=1", False),
        ("https://8.8.8.8/aspire", False),
        ("http://127.0.0.1:8080/", True),
        ("http://receiver/", True),
    ],
)
def test_a_public_https_address_is_taken_and_any_other_for_trying_out(
    url: str, inside: bool
) -> None:
    check_url(url, inside=inside)


def test_a_webhook_rests_once_and_is_woken_once() -> None:
    first = webhook()
    resting, facts = first.rest(WebhookRests.GONE)
    assert [type(fact) for fact in facts] == [WebhookRested]
    assert resting.rest(WebhookRests.NOT_TAKEN) == (resting, ())
    woken, facts = resting.wake()
    assert [type(fact) for fact in facts] == [WebhookWoken]
    assert woken == first
    assert woken.wake() == (woken, ())


def test_a_rotated_secret_signs_beside_the_new_one_until_it_ends() -> None:
    old, new, newest = secret(), secret(NOW), secret(NOW)
    rotated = webhook(old).rotate(new, timedelta(hours=24))
    assert {each.secret_id for each in rotated.signing(NOW)} == {old.secret_id, new.secret_id}
    later = NOW + timedelta(hours=24)
    assert [each.secret_id for each in rotated.signing(later)] == [new.secret_id]
    again = rotated.rotate(newest, timedelta())
    assert [each.secret_id for each in again.signing(NOW)] == [newest.secret_id]
