"""What a server's answer means: data, a refusal, or something that may pass."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from requests import RequestException, Response

from pipeline.errors import DataError, MissingInputError

# 202: Socrata is still working on it; from 520 on: Cloudflare did not reach the server behind it
_PASSING = (202, 408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 530)


class PassingError(Exception):
    """Something that may be gone the next time. ``wait``: seconds that the server asks for."""

    def __init__(self, text: str, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """A JSON body, its numbers as the text that they were sent as; ``at``: the server's clock."""

    body: Any
    at: datetime
    headers: Mapping[str, str]


def read_json(response: Response, body: bytes) -> Answer:
    """The answer that a body is. Raises PassingError where it was cut off, DataError on others."""
    try:
        parsed = json.loads(body, parse_float=str, parse_int=str)
    except ValueError:
        start = body.lstrip()[:200]
    else:
        return Answer(parsed, server_time(response), response.headers)
    if start[:1] in (b"{", b"[", b""):
        raise PassingError("the answer was cut off")
    text = start[:60].decode("utf-8", "replace")
    what = "a web page" if text.startswith("<") else repr(text)
    raise DataError(
        f"{shown(str(response.url))} answers {what} instead of JSON: open it in a browser, and "
        "correct source.path or run again later"
    )


def judge_status(response: Response, address: str) -> None:
    """Raise what the status of an answer other than a success means."""
    status = response.status_code
    if status in _PASSING:
        raise PassingError(f"the server answers {status}", _retry_after(response))
    if status in (404, 410):
        raise MissingInputError(
            f"{shown(address)}: there is nothing (HTTP {status}{_said(response)}): check "
            "source.path"
        )
    if status >= 300:
        raise DataError(
            f"{shown(address)} is refused (HTTP {status}{_said(response)}): check source.path, "
            "and whether it needs a token"
        )


def _said(response: Response) -> str:
    """What a refusal says, where it says it in JSON."""
    try:
        body = json.loads(next(response.iter_content(2**16), b""))
        inner = body.get("error")
        text = body.get("message") or (inner.get("message") if isinstance(inner, dict) else None)
    except (ValueError, AttributeError, RequestException):
        return ""
    return f", {' '.join(str(text).split())[:300]}" if text else ""


def _retry_after(response: Response) -> float | None:
    value = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+", value):
        return float(value)
    until = http_time(value)
    return max(0.0, (until - server_time(response)).total_seconds()) if until else None


def server_time(response: Response) -> datetime:
    """What the server's clock showed, in UTC; ours where it does not say."""
    return http_time(response.headers.get("Date", "")) or datetime.now(UTC)


def http_time(text: str) -> datetime | None:
    """A time as headers give it, in UTC; None where it is none."""
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def shown(address: str) -> str:
    """An address as errors name it."""
    return address if len(address) <= 120 else address[:117] + "..."
