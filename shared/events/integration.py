"""What integration decides: which trusts' systems are connected, and who their staff is.

No secret is in an event.
"""

from uuid import UUID

from shared.events.envelope import Event
from shared.events.topics import INTEGRATION
from shared.events.vocabulary import MatchedBy


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
