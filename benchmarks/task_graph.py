"""What a recorded piece of work would take on another number of workers: list scheduling.

A recording is a task graph with the seconds of its tasks, and the steps of the driver that
submitted it: its own work, what it submits, what it waits for. The simulation plays the steps, and
gives every task that is ready to a worker that is free, the one submitted first before the others,
on the worker that already holds most of what the task needs. Nothing here touches a cluster.

Graham 1969, "Bounds on multiprocessing timing anomalies", for list scheduling and its bounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Literal

MOVING, STARTING = "moving results", "starting tasks"


@dataclass(frozen=True)
class Task:
    """``seconds``: of one thread, alone on the machine; ``nbytes``: of the result; ``needs``: keys
    of the tasks whose results it takes. ``gang``: it takes all workers at once.
    """

    key: str
    prefix: str
    seconds: float
    nbytes: int = 0
    needs: tuple[str, ...] = ()
    gang: bool = False


@dataclass(frozen=True)
class Step:
    """Of the driver. ``work``: so many ``seconds`` of its own, called ``name``. ``submit``: tasks,
    in the order of their priority. ``wait``: until all ``keys`` are done, whose results it fetches.
    ``any``: until one more of the tasks that such steps name is done.
    """

    kind: Literal["work", "submit", "wait", "any"]
    keys: tuple[str, ...] = ()
    seconds: float = 0.0
    name: str = ""


@dataclass(frozen=True)
class Recording:
    """Tasks by key, and the driver's steps in order."""

    tasks: Mapping[str, Task]
    steps: tuple[Step, ...]

    @property
    def work(self) -> float:
        """Seconds of all tasks, one after the other."""
        return sum(task.seconds for task in self.tasks.values())

    @property
    def driver(self) -> float:
        """Seconds of the driver's own work."""
        return sum(step.seconds for step in self.steps)

    def stretched(self, factor: float) -> Recording:
        """The same with the seconds of tasks that take all workers times ``factor``."""
        tasks = {
            key: replace(task, seconds=task.seconds * factor) if task.gang else task
            for key, task in self.tasks.items()
        }
        return Recording(tasks, self.steps)


@dataclass(frozen=True)
class Cluster:
    """``bandwidth``: bytes a second between two workers; ``overhead``: seconds of a worker for
    every task beside the task itself.
    """

    workers: int
    bandwidth: float = 1e9
    overhead: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """``seconds``: of the whole. ``chain``: the seconds of what each thing on the way to the end
    waited for, by prefix, which add up to the whole. ``moved``: bytes between workers.
    """

    seconds: float
    chain: dict[str, float]
    moved: int

    @property
    def bottleneck(self) -> tuple[str, float]:
        """What takes most of the chain, and its share."""
        if not self.seconds:
            return "nothing", 0.0
        name = max(self.chain, key=lambda each: self.chain[each])
        return name, self.chain[name] / self.seconds


def simulate(recording: Recording, cluster: Cluster) -> Outcome:
    """The recording on a cluster. The driver has a core of its own.

    Raises ValueError where the driver waits for what it never submitted.
    """
    return _Play(recording, cluster).whole()


def critical_path(recording: Recording) -> Outcome:
    """As many workers as there are tasks, and nothing takes time to move."""
    return simulate(recording, Cluster(max(len(recording.tasks), 1), float("inf")))


@dataclass(eq=False)
class _Span:
    """What went on, from the end of what it waited for to its own; ``parts``: seconds by name."""

    end: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    after: _Span | None = None


_BEGIN = _Span()


def _last(spans: Iterable[_Span]) -> _Span:
    return max(spans, key=lambda span: span.end, default=_BEGIN)


def _chain(span: _Span | None) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    while span is not None:
        for name, seconds in span.parts.items():
            found[name] += seconds
        span = span.after
    return dict(sorted(found.items(), key=lambda each: -each[1]))


class _Play:
    def __init__(self, recording: Recording, cluster: Cluster) -> None:
        self.tasks, self.steps, self.cluster = recording.tasks, recording.steps, cluster
        self.users = defaultdict[str, list[str]](list)
        for task in self.tasks.values():
            for key in self._needs(task):
                self.users[key].append(task.key)
        self.pool = {key for step in self.steps if step.kind == "any" for key in step.keys}
        self.given: dict[str, _Span] = {}  # by which of the driver's spans a task was submitted
        self.rank: dict[str, int] = {}
        self.done: dict[str, _Span] = {}
        self.come: list[_Span] = []  # of the pool, as they are done
        self.held: dict[str, set[int]] = {}
        self.ready: list[tuple[int, str]] = []
        self.idle = dict.fromkeys(range(cluster.workers), _BEGIN)
        self.events: list[tuple[float, int, str | None, list[int], _Span]] = []
        self.step = self.collected = self.moved = self.count = 0
        self.waits = False

    def whole(self) -> Outcome:
        self._drive(_BEGIN)
        last = _BEGIN
        while self.events or self.ready:
            self._assign()
            _, _, key, workers, last = heappop(self.events)
            if key is None:
                self._drive(last)
                continue
            self.idle |= dict.fromkeys(workers, last)
            self._finish(key, last)
        if self.step < len(self.steps):
            missing = set(self.steps[self.step].keys) - set(self.done)
            raise ValueError(f"the driver waits for {sorted(missing)}, which it never submitted")
        return Outcome(last.end, _chain(last), self.moved)

    def _needs(self, task: Task) -> list[str]:
        """Without what was sent out by the driver itself, which has no task."""
        return [key for key in task.needs if key in self.tasks]

    def _drive(self, last: _Span) -> None:
        """The driver's steps until one takes time; ``last``: what it did or waited for before."""
        self.waits = False
        for step in self.steps[self.step :]:
            if step.kind == "submit":
                self._submit(step, last)
            elif step.kind == "work":
                self.step += 1
                return self._busy(last, f"driver: {step.name}", step.seconds)
            else:
                awaited = self._awaited(step)
                if awaited is None:
                    self.waits, self.begun = True, last
                    return None
                self.step += 1
                moving = sum(self.tasks[k].nbytes for k in step.keys) if step.kind == "wait" else 0
                return self._busy(_last([last, *awaited]), MOVING, moving / self.cluster.bandwidth)
            self.step += 1
        return None

    def _awaited(self, step: Step) -> list[_Span] | None:
        if step.kind == "wait":
            found = [self.done.get(key) for key in step.keys]
            spans = [span for span in found if span is not None]
            return spans if len(spans) == len(found) else None
        if len(self.come) <= self.collected:
            return None
        self.collected += 1
        return [self.come[self.collected - 1]]

    def _busy(self, after: _Span, name: str, seconds: float) -> None:
        self._push(None, [], _Span(after.end + seconds, {name: seconds}, after))

    def _push(self, key: str | None, workers: list[int], span: _Span) -> None:
        self.count += 1
        heappush(self.events, (span.end, self.count, key, workers, span))

    def _submit(self, step: Step, by: _Span) -> None:
        for key in step.keys:
            if key not in self.given:
                self.given[key], self.rank[key] = by, len(self.rank)
                self._offer(key)

    def _offer(self, key: str) -> None:
        if key in self.given and all(need in self.done for need in self._needs(self.tasks[key])):
            heappush(self.ready, (self.rank[key], key))

    def _finish(self, key: str, span: _Span) -> None:
        self.done[key] = span
        if key in self.pool:
            self.come.append(span)
        for user in self.users[key]:
            self._offer(user)
        if self.waits:
            self._drive(self.begun)

    def _assign(self) -> None:
        """A task that takes all workers holds back those behind it until all are free."""
        while self.ready and self.idle:
            task = self.tasks[self.ready[0][1]]
            if task.gang and len(self.idle) < self.cluster.workers:
                return
            heappop(self.ready)
            first = min(self.idle, key=lambda worker: (self._missing(task, worker), worker))
            self._start(task, first, list(self.idle) if task.gang else [first])

    def _missing(self, task: Task, worker: int) -> int:
        away = (key for key in self._needs(task) if worker not in self.held[key])
        return sum(self.tasks[key].nbytes for key in away)

    def _start(self, task: Task, worker: int, workers: list[int]) -> None:
        missing, needs = self._missing(task, worker), self._needs(task)
        free = [self.idle.pop(each) for each in workers]
        after = _last([self.given[task.key], *(self.done[key] for key in needs), *free])
        parts = {
            task.prefix: task.seconds,
            MOVING: missing / self.cluster.bandwidth,
            STARTING: self.cluster.overhead,
        }
        self.moved += missing
        for key in (*needs, task.key):
            self.held.setdefault(key, set()).add(worker)
        self._push(task.key, workers, _Span(after.end + sum(parts.values()), parts, after))
