"""Published runs go where the configuration says, too."""

from __future__ import annotations

from pipeline.errors import BusyError
from pipeline.run import Run


def mirror(run: Run) -> None:
    """Put a published run at ``output.mirror``, where there is one and it is not there yet.

    Raises BusyError where that fails: the run itself stays published, and running again goes on.
    """
    address = run.config.output.mirror
    if not address:
        return
    from forecasts.mirror import mirror_run  # loads fsspec, which few nights that are done need
    from forecasts.store import run_name

    try:
        mirror_run(run.root, run_name(run.reference), address)
    except Exception as fault:
        raise BusyError(
            f"output.mirror: {address} could not be written ({type(fault).__name__}: {fault}): the "
            f"run is published in {run.root}; see to the address and run again"
        ) from fault
