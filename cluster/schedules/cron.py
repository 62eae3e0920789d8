"""A line of a crontab. It runs every hour, so that no clock but cron's own has to be known."""

from __future__ import annotations

from shlex import join, quote

from cluster.schedules.job import NightlyJob, fill


def crontab(job: NightlyJob, when: str | None = None) -> dict[str, str]:
    """The crontab fragment of a city, by file name.

    ``when``: cron's five fields [default: every hour, minutes after the cutoff]. Debian's cron has
    one timezone, that of the machine. Zones differ by whole, half and quarter hours: where the
    machine's differs from the city's by a part of an hour, the start is later by as much.
    """
    when = when or f"{job.clocks[0].minute} * * * *"
    line = fill(
        "crontab.line",
        logs=quote(str(job.logs)),
        environment="".join(f"{name}={quote(text)} " for name, text in job.environment.items()),
        command=join(job.command),
    )
    # Cron ends a command at a bare %.
    line = line.strip().replace("%", r"\%")
    text = fill("crontab", name=job.name, secrets=job.secrets, line=f"{when}  {line}")
    return {f"hexcast-{job.name}.cron": text}
