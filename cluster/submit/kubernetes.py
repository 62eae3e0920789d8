"""A night as a DaskJob on Kubernetes: submitted, followed, and deleted whatever ends the wait."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, sleep

from cluster.certificates import make_certificates
from cluster.errors import ClusterUnavailableError
from cluster.guard import TRY_AGAIN
from cluster.signals import without_signals
from cluster.spec import Certificates
from cluster.submit.asking import UNANSWERED_SECONDS, Say, pauses
from cluster.submit.dask_job import Night, manifests, runner, unique_name
from cluster.submit.kubectl import Kubectl, PodLog, require_kubectl, warning_of
from cluster.submit.pod_state import PodState, parse_pod

GRACE_SECONDS = 20  # for a night that is ended to close what it holds
# The pod first, so that the night has ended when the rest goes; a claim is never among them.
_DASK = ("daskjobs.kubernetes.dask.org", "daskclusters.kubernetes.dask.org")
_MADE = (*_DASK, "configmaps", "secrets")
_OPERATOR = "install the Dask operator (helm chart dask-kubernetes-operator), or see its log"


def shown(night: Night) -> str:
    """The manifest that would be submitted, without the certificate that is made for each."""
    hidden = Certificates(ca="...", cert="...", key="...")
    text = manifests(night, unique_name(night.job.name), hidden)
    return f"# A night that is submitted has a certificate in its Secret.\n{text}"


def require_operator(namespace: str | None) -> None:
    """Raise ClusterUnavailableError where no DaskJob can be made from here."""
    require_kubectl()
    found = Kubectl(namespace)("get", "daskjobs.kubernetes.dask.org", "--output", "name")
    if found.returncode:
        raise ClusterUnavailableError(
            f"no DaskJobs can be seen ({' '.join(found.stderr.split())}): correct kubectl's "
            f"configuration and rights, or {_OPERATOR}"
        )


def run(night: Night, say: Say) -> int:
    """Submit the night, say what it says, line by line, and return its exit code.

    Whatever ends this deletes what it made. Raises ClusterUnavailableError where that is not taken,
    or does not start in time.
    """
    require_kubectl()
    name, kubectl = unique_name(night.job.name), Kubectl(night.spec.namespace)
    try:
        with without_signals():
            _create(kubectl, manifests(night, name, make_certificates()))
        say("err", f"DaskJob {name} is submitted to Kubernetes")
        state = _followed(kubectl, name, night.spec.timeout_seconds, say)
    finally:
        with without_signals():
            _delete(kubectl, name, say)
    return _code(runner(name), state, say)


def _create(kubectl: Kubectl, text: str) -> None:
    done = kubectl("create", "--filename", "-", text=text)
    if done.returncode:
        said = " ".join(done.stderr.split())
        remedy = _OPERATOR if "no matches for kind" in said else "correct what it names"
        raise ClusterUnavailableError(
            f"Kubernetes does not take the night ({said}): {remedy}, or try again when it answers"
        )


def _followed(kubectl: Kubectl, name: str, timeout: float, say: Say) -> PodState | None:
    """The state in which the night's pod ended; None where somebody has deleted it."""
    pod, said, until = runner(name), "", monotonic() + timeout
    log = PodLog(kubectl, pod, say)
    seen = started = False
    try:
        for state in _states(kubectl, pod):
            if state is None and seen:
                return None
            if state is not None:
                seen, started = True, started or state.started
                if state.why != said and not started:
                    said = state.why
                    say("err", f"pod {pod} is pending: {said}")
                if state.ended:
                    log.finish()
                    return state
            if started:
                log.follow()
            elif monotonic() > until:
                raise _not_started(pod, state, warning_of(kubectl, pod) if state else "", timeout)
    finally:
        log.close()
    raise AssertionError("states go on for ever")


def _states(kubectl: Kubectl, pod: str) -> Iterator[PodState | None]:
    """What Kubernetes says of the pod, None where there is none; asked less and less often.

    Raises ClusterUnavailableError where it has not answered for long.
    """
    answered = monotonic()
    for pause in pauses():
        found = kubectl("get", "pod", pod, "--output", "json", "--ignore-not-found")
        if found.returncode == 0:
            answered = monotonic()
            yield parse_pod(found.stdout) if found.stdout.strip() else None
        elif monotonic() - answered > UNANSWERED_SECONDS:
            raise ClusterUnavailableError(
                f"Kubernetes has not answered for {UNANSWERED_SECONDS:g} s what became of pod "
                f"{pod} ({' '.join(found.stderr.split())}): run again when it does"
            )
        sleep(pause)


def _not_started(
    pod: str, state: PodState | None, warning: str, timeout: float
) -> ClusterUnavailableError:
    if state is None:
        return ClusterUnavailableError(
            f"nobody has made pod {pod} within {timeout:g} s: {_OPERATOR}"
        )
    remedy = "raise cluster.timeout_seconds"
    if "Image" in state.reason:
        remedy = "correct cluster.image, or let the nodes pull it"
    elif state.reason == "Unschedulable":
        remedy = "see cluster.claim and the room on the nodes, or raise cluster.timeout_seconds"
    elif warning:
        remedy = "make what it names, or raise cluster.timeout_seconds"
    why = state.why or state.phase
    said = why if not warning or warning in why else f"{why}; {warning}"
    return ClusterUnavailableError(
        f"pod {pod} has not started within {timeout:g} s ({said}): {remedy}"
    )


def _delete(kubectl: Kubectl, name: str, say: Say) -> None:
    """Delete all that was made for a night; what cannot be deleted is said."""
    options = ("--ignore-not-found", "--timeout=45s", "--cascade=foreground")
    kubectl("delete", "pod", runner(name), f"--grace-period={GRACE_SECONDS}", *options)
    left = [kind for kind in _MADE if kubectl("delete", kind, name, *options).returncode]
    if left:
        again = "; ".join(" ".join(kubectl.words("delete", kind, name)) for kind in left)
        say("err", f"what was made may still be there, for: {again}")


def _code(pod: str, state: PodState | None, say: Say) -> int:
    """The night's exit code, or one that says what a scheduler is to do; then with a line."""
    if state is None:
        say("err", f"pod {pod} was deleted by somebody: run again, which goes on")
        return TRY_AGAIN
    if state.cannot_start:
        say("err", f"pod {pod} cannot run hexcast ({state.why}): correct cluster.image")
        return ClusterUnavailableError.exit_code
    if state.own_code is not None:
        return state.own_code
    how = state.why or f"exit code {state.code}"
    say("err", f"the night was ended ({how}): run again, which goes on where it stopped")
    return TRY_AGAIN
