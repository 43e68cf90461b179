"""What can go wrong that a person has to hear about, in one sentence and without a traceback."""


class Trouble(Exception):  # noqa: N818 - reads as a claim, like those below
    """Any of these; the message names the thing, the rule and the way out."""


class ChildDied(Trouble):
    """A child ended that should run; the message has its last log lines."""


class NotReady(Trouble):
    """A child runs but did not become ready in time; the message has its last log lines."""


class HomeInUse(Trouble):
    """Another process runs an instance in this folder."""


class PortTaken(Trouble):
    """The port that was asked for belongs to another process, or is no port."""


class JarsRefused(Trouble):
    """Jars are not those whose sums are kept in the source tree."""


class JarsUnavailable(Trouble):
    """Jars could not be fetched."""


class AccountMissing(Trouble):
    """We are root, and there is no account to run PostgreSQL under."""


class ServerMissing(Trouble):
    """The packages that bring the servers are not installed."""
