"""The programme's closed lists, as they stand in events, requests and answers."""

from enum import StrEnum


class Region(StrEnum):
    """The nine regions of England (GIAS: GOR)."""

    EAST_MIDLANDS = "East Midlands"
    EAST_OF_ENGLAND = "East of England"
    LONDON = "London"
    NORTH_EAST = "North East"
    NORTH_WEST = "North West"
    SOUTH_EAST = "South East"
    SOUTH_WEST = "South West"
    WEST_MIDLANDS = "West Midlands"
    YORKSHIRE_AND_THE_HUMBER = "Yorkshire and the Humber"


class Pathway(StrEnum):
    """How a school comes in: by itself for three years, or with its existing group."""

    PARTNER_SCHOOLS = "partner_schools"
    CONNECT = "connect"


class MembershipStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"


class LeavingReason(StrEnum):
    """Why a school left before its membership ended."""

    NOT_RENEWED = "not_renewed"
    CAPACITY = "capacity"
    FUNDING = "funding"
    CHANGED_TRUST = "changed_trust"
    SCHOOL_CLOSED = "school_closed"
    OTHER = "other"


class Framework(StrEnum):
    """The inspection framework of a judgement; judgements of two frameworks are never compared."""

    OVERALL_GRADE = "overall_grade"
    REPORT_CARD = "report_card"
    NOT_INSPECTED = "not_inspected"


class Judgement(StrEnum):
    OUTSTANDING = "outstanding"
    GOOD = "good"
    REQUIRES_IMPROVEMENT = "requires_improvement"
    INADEQUATE = "inadequate"
    EXCEPTIONAL = "exceptional"
    STRONG_STANDARD = "strong_standard"
    EXPECTED_STANDARD = "expected_standard"
    NEEDS_ATTENTION = "needs_attention"
    URGENT_IMPROVEMENT = "urgent_improvement"


JUDGEMENTS_OF: dict[Framework, tuple[Judgement, ...]] = {
    Framework.OVERALL_GRADE: (
        Judgement.OUTSTANDING,
        Judgement.GOOD,
        Judgement.REQUIRES_IMPROVEMENT,
        Judgement.INADEQUATE,
    ),
    Framework.REPORT_CARD: (
        Judgement.EXCEPTIONAL,
        Judgement.STRONG_STANDARD,
        Judgement.EXPECTED_STANDARD,
        Judgement.NEEDS_ATTENTION,
        Judgement.URGENT_IMPROVEMENT,
    ),
    Framework.NOT_INSPECTED: (),
}


class GroupKind(StrEnum):
    TRUST = "trust"
    FEDERATION = "federation"
    INFORMAL = "informal"


class Role(StrEnum):
    """A person's post at a school."""

    HEADTEACHER = "headteacher"
    SENIOR_LEADER = "senior_leader"
    MIDDLE_LEADER = "middle_leader"
    OTHER = "other"


class MatchedBy(StrEnum):
    """By what a member of staff that a trust has reported was found to be a person."""

    WORK_EMAIL = "work_email"
    TRN = "trn"
    DECISION = "decision"
    NEW_PERSON = "new_person"


class WebhookRests(StrEnum):
    """Why nothing is sent to a trust's webhook any more."""

    NOT_TAKEN = "not_taken"
    GONE = "gone"
    REVOKED = "revoked"


class Strand(StrEnum):
    """The five strands of the programme."""

    LEADERSHIP = "leadership"
    LEARNING_ENVIRONMENT = "learning_environment"
    ASSESSMENT_FOR_LEARNING = "assessment_for_learning"
    PEDAGOGY_AND_CURRICULUM = "pedagogy_and_curriculum"
    STUDENT_AND_FAMILY_SUPPORT = "student_and_family_support"


class Attendance(StrEnum):
    ATTENDED = "attended"
    LATE = "late"
    EXCUSED = "excused"
    ABSENT = "absent"

    @property
    def present(self) -> bool:
        """Whether it counts as attendance: attended or came late."""
        return self in (Attendance.ATTENDED, Attendance.LATE)


class CpdSource(StrEnum):
    NETWORK_DAY = "network_day"
    DEVELOPMENT_DAY = "development_day"
    OWN_RECORD = "own_record"


class CancellationReason(StrEnum):
    VENUE = "venue"
    WEATHER = "weather"
    ADVISER_UNAVAILABLE = "adviser_unavailable"
    TOO_FEW_PLACES_TAKEN = "too_few_places_taken"
    SCHOOL_REQUEST = "school_request"
    PLANNED_BY_MISTAKE = "planned_by_mistake"
    OTHER = "other"
