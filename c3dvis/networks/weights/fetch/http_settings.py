"""`HttpSettings`: how to reach a server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HttpSettings:
    """How to reach a server; logins come from the URL or from the user's .netrc.

    Args:
        cert: file or folder of certificates to trust; None for the environment's (`REQUESTS_CA_BUNDLE`), else those of
            the system and of certifi.
        client_cert: file with the user's own certificate and key, or None.
        proxy: URL of a proxy, or None for the environment's; `NO_PROXY` applies to both.
        trusted_hosts: `host` or `host:port` whose certificate is not verified.
        timeout: seconds without a byte after which a connection counts as stalled.
    """

    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    timeout: float = 30.0
