"""Who waits for a night is told: an address in the manner of healthchecks.io.

Whoever knows the address can speak for the night: it is neither logged nor kept.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit, urlunsplit

from pipeline.log import LOGGER
from pipeline.watch.config import VARIABLE, WatchConfig, is_address

SECONDS, TRIES = 5.0, 2


def ping(watch: WatchConfig, word: str, body: str = "") -> None:
    """POST ``body`` to the configured address with ``/word`` behind it, where there is one.

    What goes wrong is a warning.
    """
    if watch.ping is None:
        return
    address = watch.ping.get_secret_value()
    if variable := VARIABLE.fullmatch(address):
        address = os.environ.get(variable[1], "").strip()
        if not is_address(address):
            what = "holds no https:// address" if address else "is not set"
            LOGGER.warning("watch.ping: %s %s: nobody is told of the night", variable[1], what)
            return
    fault = _post(_behind(address, word), body)
    if fault:
        LOGGER.warning("watch.ping: nobody could be told of the night: %s", fault)


def _behind(address: str, word: str) -> str:
    parts = urlsplit(address)
    path = "/".join(part for part in (parts.path.rstrip("/"), word) if part)
    return urlunsplit(parts._replace(path=path))


def _post(address: str, body: str) -> str:
    """Why it did not succeed, without the address; nothing where it did."""
    import requests  # few nights that are done need it

    from pipeline.sources.tokens import make_session

    fault = ""
    with make_session() as session:
        for _ in range(TRIES):
            try:
                sent = body.encode()
                with session.post(address, data=sent, timeout=SECONDS, stream=True) as answer:
                    fault = "" if answer.ok else f"HTTP {answer.status_code}"
            except (requests.RequestException, OSError, ValueError) as error:
                fault = type(error).__name__
            if not fault:
                break
    return fault
