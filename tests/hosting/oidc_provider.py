"""A small OpenID Connect provider on the loopback: authorisation code flow with PKCE, RS256, discovery, sign-out.

It signs in whoever the test names, without a password, and can be told to issue tokens that nobody should accept.
"""

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.hosting.ports import free_port
from tests.processes import PATIENCE

CLIENT_ID, CLIENT_SECRET = "c3dvis-test", "a secret of the test"


@dataclass
class Provider:
    """The provider.

    Attributes:
        email: of the account that signs in next.
        verified: what the provider says of the address.
        claims: that replace those of the next token, for tokens that are wrong.
        forged: sign with a key that is not among the published ones.
        signed_out: number of visits of the page that ends a sign-in.
        refused: what the provider itself has refused.
    """

    port: int = field(default_factory=free_port)
    email: str = "ada@lab.example"
    verified: bool | None = True
    claims: dict[str, Any] = field(default_factory=dict)
    forged: bool = False
    signed_out: int = 0
    refused: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self._other = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def secrets_toml(self, home: str) -> str:
        """The section `[auth]` of a server that signs its visitors in here."""
        return (
            f'[auth]\nredirect_uri = "{home}/oauth2callback"\ncookie_secret = "{secrets.token_hex(32)}"\n'
            f'client_id = "{CLIENT_ID}"\nclient_secret = "{CLIENT_SECRET}"\n'
            f'server_metadata_url = "{self.url}/.well-known/openid-configuration"\n'
        )

    def reset(self, email: str = "ada@lab.example", **changes: Any) -> None:
        """Issue right tokens again, but for the changes."""
        self.email, self.verified, self.claims, self.forged = email, True, {}, False
        for name, value in changes.items():
            setattr(self, name, value)

    def start(self) -> None:
        """Answer until the process ends."""
        routes = [
            Route("/.well-known/openid-configuration", self._metadata),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/keys", self._keys),
            Route("/end", self._end),
        ]
        config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=self.port, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + PATIENCE
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.01)  # another thread starts it
        assert self._server.started

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE)

    async def _metadata(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "end_session_endpoint": f"{self.url}/end",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        right = asked.get("client_id") == CLIENT_ID and asked.get("response_type") == "code"
        if not right or "nonce" not in asked or asked.get("code_challenge_method") != "S256":
            return self._refuse(f"a request to sign in: {sorted(asked)}")
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        answer = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{answer}", 302)

    async def _token(self, request: Request) -> Response:
        given = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self._codes.pop(given.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if asked is None or given.get("redirect_uri") != asked["redirect_uri"]:
            return self._refuse("an unknown code")
        if request.headers.get("authorization") not in (f"Basic {basic}",):
            return self._refuse("a client without its secret")
        challenge = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != asked["code_challenge"]:
            return self._refuse("a wrong code verifier")
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url, "sub": self.email, "aud": CLIENT_ID, "iat": now, "exp": now + 3600,
            "nonce": asked["nonce"], "email": self.email, "email_verified": self.verified,
        }  # fmt: skip
        claims = {name: value for name, value in (claims | self.claims).items() if value is not None}
        key = self._other if self.forged else self._key
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)
        return JSONResponse(
            {"access_token": secrets.token_hex(), "token_type": "Bearer", "expires_in": 3600, "id_token": token}
        )

    async def _end(self, request: Request) -> Response:
        self.signed_out += 1
        back = request.query_params.get("post_logout_redirect_uri", "")
        return RedirectResponse(back, 302) if urlsplit(back).hostname == "127.0.0.1" else self._refuse(back)

    def _refuse(self, what: str) -> Response:
        self.refused.append(what)
        return JSONResponse({"error": "invalid_request"}, 400)


def right_claims(now: float, **changes: Any) -> Mapping[str, Any]:
    """The claims of Ada as Streamlit hands them to the page, with changes."""
    claims = {
        "is_logged_in": True, "provider": "default", "iss": "https://id.example", "sub": "1", "aud": CLIENT_ID,
        "iat": now, "exp": now + 3600, "nonce": "n", "email": "ada@lab.example", "email_verified": True,
    }  # fmt: skip
    return {name: value for name, value in (claims | changes).items() if value is not None}
