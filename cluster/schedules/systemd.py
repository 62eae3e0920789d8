"""A service that runs a night, and the timer that starts it on the city's clock."""

from __future__ import annotations

import re

from cluster.schedules.job import NightlyJob, fill


def units(job: NightlyJob, user: str) -> dict[str, str]:
    """The service and the timer of a city, by file name; the service runs as ``user``."""
    program, *words = job.command
    # A night elsewhere may have no store here; its unit would not start over a missing path.
    output = ("-" if job.verb == "submit" else "") + _word(str(job.output), dollar="$")
    service = fill(
        "service",
        limit=job.limit_minutes,
        name=job.name,
        user=user,
        # Its path is taken as it is; variables are put into what follows.
        command=" ".join([_word(program, dollar="$"), *map(_word, words)]),
        environment="".join(
            f"Environment={_word(f'{name}={text}', dollar='$')}\n"
            for name, text in job.environment.items()
        ),
        secrets=str(job.secrets).replace("%", "%%"),
        writable=" ".join([output, *(_word(str(path), dollar="$") for path in job.writable)]),
    )
    starts = "\n".join(f"OnCalendar=*-*-* {at:%H:%M}:00 {job.timezone}" for at in job.clocks)
    timer = fill("timer", name=job.name, starts=starts)
    return {f"hexcast-{job.name}.service": service, f"hexcast-{job.name}.timer": timer}


def _word(text: str, dollar: str = "$$") -> str:
    """A word of a unit file, quoted where it has to be; specifiers and variables are off."""
    if re.fullmatch(r"[\w./:=@,+-]+", text):
        return text
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped.replace("%", "%%").replace("$", dollar)}"'
