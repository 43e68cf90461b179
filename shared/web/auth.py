"""Bearer tokens: who asks, and whether the role may use a route at all."""

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, cast

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.problems import Forbidden, Unauthorised
from shared.web.actor import ROLES, Actor
from shared.web.keys import ALGORITHMS, IssuerKeys

CLOCK_SKEW_SECONDS: Final = 2
REMEMBERED_SECONDS: Final = 30
"""For which a good token is not checked again, unless it expires before: a page's requests follow
each other, and a check takes a tenth of a short one's time."""
REMEMBERED_TOKENS: Final = 10_000
_SCOPE_KEY: Final = "aspire.actor"

bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    scheme_name="bearer",
    description="A token of the OpenID Connect issuer; on one machine: `aspire token --role …`",
)


class Authenticator:
    """Checks tokens against one issuer's keys, its name and our audience."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        keys: IssuerKeys,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now` tells the seconds since 1970."""
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._now = now
        self._good: dict[str, tuple[float, Actor]] = {}
        """Until when, in seconds since 1970, a token needs no check, and whose it is."""

    @classmethod
    def of(cls, issuer: str, audience: str, jwks_url: str | None) -> "Authenticator":
        return cls(issuer=issuer, audience=audience, keys=IssuerKeys(issuer, jwks_url))

    async def actor(self, authorization: str | None) -> Actor:
        """The bearer named by an Authorization header. Raises Unauthorised, which says why not."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _unauthorised(
                "Send a token in the header “Authorization: Bearer …”.", challenge="Bearer"
            )
        until, actor = self._good.get(token.strip(), (0.0, None))
        if actor is None or until <= self._now():
            claims = await self._claims(token.strip())
            try:
                actor = Actor.of(claims)
            except ValueError as error:
                raise _unauthorised(f"The token cannot be used: {error}.") from None
            self._remember(token.strip(), actor, claims["exp"])
        return actor

    def _remember(self, token: str, actor: Actor, expires: float) -> None:
        if len(self._good) >= REMEMBERED_TOKENS:
            self._good.clear()
        self._good[token] = (min(expires, self._now() + REMEMBERED_SECONDS), actor)

    async def _claims(self, token: str) -> dict[str, Any]:
        key = await self._key(token)
        try:
            # Verifying an RSA or EC signature takes some 50 µs: not worth a thread.
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                audience=self._audience,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise _unauthorised(self._reason(error)) from None
        return claims

    async def _key(self, token: str) -> jwt.PyJWK:
        try:
            header = jwt.get_unverified_header(token)
            claimed = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise _unauthorised("What was sent as a token is not a JSON Web Token.") from None
        if claimed.get("iss") != self._issuer:
            raise _unauthorised(self._reason(jwt.InvalidIssuerError()))
        if header.get("alg") not in ALGORITHMS:
            raise _unauthorised(self._reason(jwt.InvalidAlgorithmError()))
        key = await self._keys.key(str(header.get("kid", "")))
        if key is None:
            raise _unauthorised(
                f"The token is signed by a key that {self._issuer} does not have (any more). "
                "Get a new token."
            )
        return key

    def _reason(self, error: jwt.PyJWTError) -> str:
        match error:
            case jwt.ExpiredSignatureError():
                return "The token has expired. Get a new one."
            case jwt.ImmatureSignatureError():
                return "The token is not valid yet: its issuer's clock or this one is wrong."
            case jwt.InvalidIssuerError():
                return f"The token is from another issuer; this service trusts {self._issuer} only."
            case jwt.InvalidAudienceError():
                return f"The token is for another audience than this service, “{self._audience}”."
            case jwt.InvalidAlgorithmError():
                return f"The token must be signed with one of {', '.join(ALGORITHMS)}."
            case jwt.MissingRequiredClaimError():
                return f"The token lacks the claim “{error.claim}”."
            case jwt.InvalidSignatureError():
                return "The token's signature is not its issuer's: it was forged or damaged."
        return "The token is not valid."


async def authenticated(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)] = None,
) -> Actor:
    """Any bearer of a valid token, whatever the role."""
    return await actor_of(request)


async def actor_of(request: Request) -> Actor:
    """The one who asks; a token is checked once a request. Raises Unauthorised."""
    known = request.scope.get(_SCOPE_KEY)
    if known is None:
        authenticator: Authenticator = request.app.state.context.authenticator
        known = await authenticator.actor(request.headers.get("authorization"))
        request.scope[_SCOPE_KEY] = known
    return cast("Actor", known)


def require(*roles: str) -> Callable[..., Awaitable[Actor]]:
    """A dependency that answers 403 to every role but these, which may not use the route ever."""
    if unknown := set(roles) - ROLES:
        raise ValueError(f"There is no role {', '.join(sorted(unknown))}: see {sorted(ROLES)}.")
    if not roles:
        raise ValueError("Name the roles that may use the route, or depend on `authenticated`.")

    async def required(actor: Annotated[Actor, Depends(authenticated)]) -> Actor:
        if actor.role not in roles:
            raise Forbidden(
                f"The role “{actor.role}” may not do this; it is for {' and '.join(roles)}."
            )
        return actor

    return required


def _unauthorised(detail: str, challenge: str = 'Bearer error="invalid_token"') -> Unauthorised:
    """RFC 6750, section 3: a challenge without an error where no token was sent."""
    return Unauthorised(detail, headers={"WWW-Authenticate": challenge})
