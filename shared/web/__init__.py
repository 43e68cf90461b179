"""What every HTTP API stands on: problems, tokens and roles, commands that run once, pages."""

from shared.web.actor import ROLES, Actor
from shared.web.app import create_app
from shared.web.auth import Authenticator, authenticated, require
from shared.web.bodies import Body, Day, Line, Moment
from shared.web.commands import CommandRoute, Tx, erase_answers_about, forget_old_answers
from shared.web.context import Context, Now, Read, Today
from shared.web.health import Health
from shared.web.issuer import LocalIssuer
from shared.web.paging import UPDATED_AT, Page, PageQuery, PageRequest

__all__ = [
    "ROLES",
    "UPDATED_AT",
    "Actor",
    "Authenticator",
    "Body",
    "CommandRoute",
    "Context",
    "Day",
    "Health",
    "Line",
    "LocalIssuer",
    "Moment",
    "Now",
    "Page",
    "PageQuery",
    "PageRequest",
    "Read",
    "Today",
    "Tx",
    "authenticated",
    "create_app",
    "erase_answers_about",
    "forget_old_answers",
    "require",
]
