"""A batch script that runs a night in one allocation, and the lines of scrontab that start it."""

from __future__ import annotations

from pathlib import Path
from shlex import join, quote

from cluster.schedules.job import NightlyJob, fill


def batch(job: NightlyJob, folder: Path) -> dict[str, str]:
    """The batch script of a city and its scrontab lines, by file name.

    ``folder``: where the script will lie, absolute. One node: cores and memory are those of the
    job's workers and of the driver.
    """
    script = f"hexcast-{job.name}.sbatch"
    exports = "".join(f"export {name}={quote(text)}\n" for name, text in job.environment.items())
    text = fill(
        "sbatch",
        name=job.name,
        options=_options("SBATCH", job),
        environment=exports,
        secrets=quote(str(job.secrets)),
        logs=quote(str(job.logs)),
        command=join(job.command),
    )
    line = f"{job.clocks[0].minute} * * * *  bash {quote(str(folder / script))}"
    starts = fill("scrontab", name=job.name, options=_options("SCRON", job), line=line)
    return {script: text, f"hexcast-{job.name}.scrontab": starts}


def _options(mark: str, job: NightlyJob) -> str:
    options = {
        "job-name": f"hexcast-{job.name}",
        "nodes": 1,
        "ntasks": 1,
        "cpus-per-task": job.cores,
        "mem": f"{job.memory_mib}M",
        "time": job.limit_minutes,
        "dependency": "singleton",
        "output": "/dev/null",  # the script writes a log of its own
    }
    return "\n".join(f"#{mark} --{name}={value}" for name, value in options.items())
