"""A batch script that runs a night in one allocation, and the lines of scrontab that start it."""

from __future__ import annotations

from pathlib import Path
from shlex import join, quote

from cluster.allocation import Allocation
from cluster.schedules.job import DRIVER_GIB, NightlyJob, fill
from cluster.spec import ClusterSpec


def batch(job: NightlyJob, spec: ClusterSpec, folder: Path) -> dict[str, str]:
    """The batch script of a city and its scrontab lines, by file name.

    ``folder``: where the script will lie, absolute.
    """
    script = f"hexcast-{job.name}.sbatch"
    line = f"{job.clocks[0].minute} * * * *  bash {quote(str(folder / script))}"
    options = _options("SCRON", job, spec) + "\n#SCRON --output=/dev/null"
    starts = fill("scrontab", name=job.name, options=options, line=line)
    return {script: batch_script(job, spec), f"hexcast-{job.name}.scrontab": starts}


def batch_script(job: NightlyJob, spec: ClusterSpec, own_log: bool = True) -> str:
    """The script of one night, whose exit code is the night's.

    ``own_log``: it writes to the job's log, not to where sbatch is told.
    """
    options, where, log = _options("SBATCH", job, spec), ".", ""
    if own_log:
        options += "\n#SBATCH --output=/dev/null"
        where = ". Once: sbatch FILE. Every night: the lines of the scrontab beside it."
        folder = quote(str(job.logs))
        log = f"mkdir -p {folder}\nexec >>{folder}/nightly.log 2>&1\n"
    exports = "".join(f"export {name}={quote(text)}\n" for name, text in job.environment.items())
    return fill(
        "sbatch",
        name=job.name,
        where=where,
        options=options,
        environment=exports,
        secrets=quote(str(job.secrets)),
        log=log,
        run=_run(job, spec),
    )


def _run(job: NightlyJob, spec: ClusterSpec) -> str:
    if spec.kind != "slurm":
        return f"exec {join(job.command)}"
    return fill("srun", output=quote(str(job.output)), command=join(job.command)).strip()


def _options(mark: str, job: NightlyJob, spec: ClusterSpec) -> str:
    # A night submitted by hand is not to wait for the next line of a scrontab, which is a job, too.
    names = {"SBATCH": f"hexcast-{job.name}", "SCRON": f"hexcast-{job.name}-nightly"}
    options: dict[str, object] = {"job-name": names[mark], "nodes": 1}
    shape: dict[str, object]
    if spec.kind == "slurm":
        asked = Allocation.of(spec.workers, spec.memory_gib, DRIVER_GIB, spec.options)
        shape = {"ntasks": asked.tasks, "ntasks-per-node": asked.on_each}
        shape |= {"cpus-per-task": 1, "mem": f"{asked.mib}M"}
    else:  # one process, with the workers that it starts
        shape = {"ntasks": 1, "cpus-per-task": job.cores, "mem": f"{job.memory_mib}M"}
    options |= shape | {"time": job.limit_minutes, "dependency": "singleton", **spec.options}
    words = (key if value is True else f"{key}={value}" for key, value in options.items())
    return "\n".join(f"#{mark} --{word}" for word in words)
