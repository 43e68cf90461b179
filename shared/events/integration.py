"""What integration decides: which trusts' systems are connected, and who their staff is.

No secret is in an event.
"""

from uuid import UUID

from shared.events.envelope import Event
from shared.events.topics import INTEGRATION
from shared.events.vocabulary import MatchedBy, WebhookRests


class TrustConnected(Event, topic=INTEGRATION, key="trust_id"):
    """A trust's systems may send events, by the credentials of this id; `trust_id` is the group's
    id."""

    trust_id: UUID
    credential_id: UUID


class TrustCredentialsRotated(Event, topic=INTEGRATION, key="trust_id"):
    """New credentials; those before them end, at once or after a while."""

    trust_id: UUID
    credential_id: UUID


class TrustRevoked(Event, topic=INTEGRATION, key="trust_id"):
    """None of the trust's credentials is accepted any more."""

    trust_id: UUID


class StaffMatched(Event, topic=INTEGRATION, key="record"):
    """The member of staff that the trust calls by this id is this person; `new_person`: one whom
    nobody knew, whose name stands on aspire.mis.people under the same key."""

    record: str
    trust_id: UUID
    external_id: str
    person_id: UUID
    matched_by: MatchedBy


class WebhookRegistered(Event, topic=INTEGRATION, key="trust_id"):
    """Events of these types are sent to an address of the trust's; `types` None: of all."""

    trust_id: UUID
    webhook_id: UUID
    types: tuple[str, ...] | None


class WebhookRemoved(Event, topic=INTEGRATION, key="trust_id"):
    """Nothing is sent there any more."""

    trust_id: UUID
    webhook_id: UUID


class WebhookRested(Event, topic=INTEGRATION, key="trust_id"):
    """Nothing is sent until somebody wakes it; then it goes on where it stood."""

    trust_id: UUID
    webhook_id: UUID
    why: WebhookRests


class WebhookWoken(Event, topic=INTEGRATION, key="trust_id"):
    trust_id: UUID
    webhook_id: UUID
