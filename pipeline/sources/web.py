"""A polite HTTP client: it pauses between requests, waits when told to, and gives up in the end.

What may pass (a busy or absent server, a torn answer) is tried again with growing, random pauses;
what will not pass is said at once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import tenacity
from requests import Response, Session
from requests import exceptions as trouble

from pipeline.errors import BusyError, ConfigError, DataError
from pipeline.log import LOGGER
from pipeline.sources.answers import Answer, PassingError, judge_status, read_json, shown
from pipeline.sources.tokens import make_session, token

T = TypeVar("T")

ATTEMPTS = 6
PAUSE_SECONDS = 0.5  # between two requests to one host
TIMEOUT_SECONDS = (10.0, 120.0)  # to connect, and between two pieces of an answer
LONGEST_WAIT_SECONDS = 300.0  # whatever a server asks for
MOST_REQUESTS = 20_000  # of one fetch, as are the next two
MOST_BYTES = 2**35
MOST_SECONDS = 4 * 3600.0
CHUNK_BYTES = 2**18

_backoff = tenacity.wait_random_exponential(multiplier=1, max=60)


@dataclass
class Web:
    """The requests of one fetch, counted against its limits. ``sleep``, ``clock``: seconds."""

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    session: Session = field(default_factory=make_session)
    asked: int = 0
    taken: int = 0
    _began: float | None = None
    _last: dict[str, float] = field(default_factory=dict)

    def json(
        self,
        kind: str,
        address: str,
        params: Mapping[str, str],
        judge: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """The answer of a service of a kind. ``judge`` may raise PassingError, or any other.

        Raises BusyError, DataError, MissingInputError, ConfigError.
        """

        def take(response: Response) -> Answer:
            answer = read_json(response, b"".join(self.body(response)))
            if judge:
                judge(answer)
            return answer

        return self.ask(address, take, params=params, headers=lambda: token(kind, address))

    def ask(
        self,
        address: str,
        take: Callable[[Response], T],
        method: str = "GET",
        params: Mapping[str, str] | None = None,
        headers: Callable[[], Mapping[str, str]] = dict,
        allowed: tuple[int, ...] = (),
    ) -> T:
        """What ``take`` makes of the answer, all of it within one try; errors as of ``json``.

        ``headers`` is asked before every try. ``allowed``: refusals that ``take`` understands.
        """

        def once() -> T:
            self._pace(address)
            send = partial(
                self.session.request,
                params=params,
                headers=dict(headers()),
                timeout=TIMEOUT_SECONDS,
                stream=True,
            )
            with _translated(address, send, method, address) as response:
                if response.status_code not in allowed:
                    judge_status(response, address)
                return _translated(address, take, response)

        attempts = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=_pause,
            retry=tenacity.retry_if_exception_type(PassingError),
            sleep=self.sleep,
            before_sleep=lambda state: _tell(address, state),
            reraise=True,
        )
        try:
            return attempts(once)
        except PassingError as fault:
            text = f"{shown(address)}: {fault}, {ATTEMPTS} times running: try again later"
            raise BusyError(text) from None

    def body(self, response: Response) -> Iterator[bytes]:
        """The pieces of an answer. Raises BusyError beyond the limits of a fetch, DataError where
        this one answer is beyond them.
        """
        address, size = str(response.url), 0
        for piece in response.iter_content(CHUNK_BYTES):
            size, self.taken = size + len(piece), self.taken + len(piece)
            if size > MOST_BYTES:
                raise DataError(
                    f"{shown(address)}: over {MOST_BYTES} bytes in one answer: deliver it as "
                    "files, in parts"
                )
            if self.taken > MOST_BYTES:
                raise _unfinished(address, f"over {MOST_BYTES} bytes in one fetch")
            self._check_time(address)
            yield piece

    def _pace(self, address: str) -> None:
        self._check_time(address)
        self.asked += 1
        if self.asked > MOST_REQUESTS:
            raise _unfinished(address, f"over {MOST_REQUESTS} requests in one fetch")
        host, now = urlsplit(address).netloc, self.clock()
        rest = self._last.get(host, now - PAUSE_SECONDS) + PAUSE_SECONDS - now
        if rest > 0:
            self.sleep(rest)
        self._last[host] = self.clock()

    def _check_time(self, address: str) -> None:
        now = self.clock()
        self._began = now if self._began is None else self._began
        if now - self._began > MOST_SECONDS:
            raise _unfinished(address, f"not done in {MOST_SECONDS / 3600:.0f} hours")


def _unfinished(address: str, why: str) -> BusyError:
    return BusyError(f"{shown(address)}: {why}: run it again, it goes on where it stopped")


def _translated(address: str, do: Callable[..., T], *args: object) -> T:
    """What ``do`` returns, with the errors of requests made ours."""
    try:
        return do(*args)
    except trouble.Timeout:
        raise PassingError("no answer in time") from None
    except (trouble.ChunkedEncodingError, trouble.ContentDecodingError):
        raise PassingError("the answer was cut off") from None
    except trouble.SSLError as fault:  # a connection error, too
        if found := re.search(r"certificate[^,\"')(]*", str(fault), re.IGNORECASE):
            raise ConfigError(_no_certificate(address, found[0].strip())) from None
        raise PassingError("the encrypted connection was cut off") from None
    except trouble.ConnectionError as fault:
        raise PassingError(f"no connection ({type(fault).__name__})") from None
    except trouble.TooManyRedirects:
        raise DataError(f"{shown(address)} leads round in circles: correct source.path") from None
    except trouble.InvalidHeader:  # its text holds the token
        raise ConfigError("a token in the environment holds a line break: set it anew") from None
    except trouble.RequestException as fault:
        raise ConfigError(f"source.path: {shown(address)}: {type(fault).__name__}") from None


def _no_certificate(address: str, why: str) -> str:
    return (
        f"{urlsplit(address).hostname} cannot prove that it is the host of source.path ({why}): "
        "its certificate has run out, is of another host, or of an authority that this machine "
        "does not know: correct source.path, or let REQUESTS_CA_BUNDLE name that authority's file"
    )


def _pause(state: tenacity.RetryCallState) -> float:
    """Growing and random; not less than the server asks for, as long as that is bearable."""
    fault = state.outcome.exception() if state.outcome else None
    asked = fault.wait if isinstance(fault, PassingError) and fault.wait else 0.0
    return min(max(asked, _backoff(state)), LONGEST_WAIT_SECONDS)


def _tell(address: str, state: tenacity.RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0.0
    LOGGER.warning("%s: %s; asked again in %.0f s", urlsplit(address).netloc, fault, wait)
