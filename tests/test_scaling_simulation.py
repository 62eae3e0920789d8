from __future__ import annotations

from typing import Any

import pytest
import task_graph as graph
from hypothesis import given, settings
from hypothesis import strategies as st

Task, Step, Recording, Cluster = graph.Task, graph.Step, graph.Recording, graph.Cluster
simulate, critical_path = graph.simulate, graph.critical_path


def submitted(*tasks: Any) -> Any:
    """All of them at once."""
    every = {task.key: task for task in tasks}
    return Recording(every, (Step("submit", tuple(every)),))


def test_a_chain_takes_its_sum_on_any_workers() -> None:
    chain = submitted(Task("a", "a", 1), Task("b", "b", 2, 0, ("a",)), Task("c", "c", 3, 0, ("b",)))
    for workers in (1, 2, 16):
        outcome = simulate(chain, Cluster(workers))
        assert outcome.seconds == 6
        assert outcome.bottleneck == ("c", 0.5)


@pytest.mark.parametrize(("workers", "seconds"), [(1, 8), (2, 4), (3, 3), (4, 2), (8, 1), (16, 1)])
def test_independent_tasks_are_shared_out(workers: int, seconds: float) -> None:
    tasks = [Task(f"t{at}", "t", 1) for at in range(8)]
    assert simulate(submitted(*tasks), Cluster(workers)).seconds == seconds


def fork_and_join() -> Any:
    parts = [Task(f"part{at}", "part", 2, 100, ("fork",)) for at in range(4)]
    join = Task("join", "join", 3, 0, tuple(part.key for part in parts))
    return submitted(Task("fork", "fork", 1), *parts, join)


@pytest.mark.parametrize(("workers", "seconds"), [(1, 12), (2, 8), (3, 8), (4, 6), (9, 6)])
def test_a_fork_and_its_join(workers: int, seconds: float) -> None:
    outcome = simulate(fork_and_join(), Cluster(workers, bandwidth=float("inf")))
    assert outcome.seconds == seconds
    assert sum(outcome.chain.values()) == pytest.approx(seconds)


def test_results_of_other_workers_take_their_time_to_come() -> None:
    outcome = simulate(fork_and_join(), Cluster(4, bandwidth=100))
    assert outcome.seconds == 6 + 3  # three of the four parts lie elsewhere
    assert outcome.moved == 300
    assert outcome.chain[graph.MOVING] == 3


def test_a_task_goes_where_what_it_needs_lies() -> None:
    small, large = Task("small", "t", 1, 10), Task("large", "t", 1, 1000)
    both = submitted(small, large, Task("user", "user", 1, 0, ("small", "large")))
    assert simulate(both, Cluster(2, bandwidth=10)).moved == 10


def test_what_the_driver_fetches_takes_its_time() -> None:
    tasks = {"a": Task("a", "a", 1, 50)}
    fetched = Recording(tasks, (Step("submit", ("a",)), Step("wait", ("a",))))
    assert simulate(fetched, Cluster(1, bandwidth=100)).seconds == 1.5


def test_what_the_driver_sent_out_is_there() -> None:
    assert simulate(submitted(Task("a", "a", 1, 0, ("scattered",))), Cluster(1)).seconds == 1


def test_tasks_have_costs_of_their_own() -> None:
    tasks = [Task(f"t{at}", "t", 1) for at in range(4)]
    assert simulate(submitted(*tasks), Cluster(2, overhead=0.5)).seconds == 3


def in_steps() -> Any:
    """Two seconds of the driver, four tasks of a second, another of the driver, four more."""
    first, second = ([Task(f"{name}{at}", name, 1) for at in range(4)] for name in "ab")
    keys = [tuple(task.key for task in tasks) for tasks in (first, second)]
    steps = (
        Step("work", seconds=2, name="before"), Step("submit", keys[0]), Step("wait", keys[0]),
        Step("work", seconds=1, name="between"), Step("submit", keys[1]), Step("wait", keys[1]),
    )  # fmt: skip
    return Recording({task.key: task for task in (*first, *second)}, steps)


def test_the_driver_may_be_what_all_wait_for() -> None:
    assert simulate(in_steps(), Cluster(4)).bottleneck == ("driver: before", 0.4)


@pytest.mark.parametrize(("workers", "seconds"), [(1, 11), (2, 7), (4, 5), (16, 5)])
def test_the_driver_s_own_work_is_not_shared(workers: int, seconds: float) -> None:
    outcome = simulate(in_steps(), Cluster(workers))
    assert outcome.seconds == seconds
    assert outcome.chain["driver: before"] == 2
    assert outcome.chain["driver: between"] == 1


def test_the_driver_works_beside_the_workers() -> None:
    work, submit = Step("work", seconds=3, name="state"), Step("submit", ("a",))
    task = {"a": Task("a", "a", 2)}
    beside = Recording(task, (submit, work, Step("wait", ("a",))))
    assert simulate(beside, Cluster(1)).seconds == 3
    assert simulate(Recording(task, (work, submit)), Cluster(1)).seconds == 5


def test_a_driver_that_keeps_two_at_work_uses_no_third_worker() -> None:
    keys = [f"t{at}" for at in range(6)]
    follow = [step for key in keys[2:] for step in (Step("any", (key,)), Step("submit", (key,)))]
    ends = [Step("any", (key,)) for key in keys[:2]]
    steps = (*(Step("submit", (key,)) for key in keys[:2]), *follow, *ends)
    recording = Recording({key: Task(key, "t", 1) for key in keys}, steps)
    seconds = [simulate(recording, Cluster(workers)).seconds for workers in (1, 2, 3, 6)]
    assert seconds == [6, 3, 3, 3]


def test_a_gang_waits_for_all_workers_and_holds_them() -> None:
    tasks = [Task("a", "a", 1), Task("b", "b", 3), Task("boost", "boost", 2, gang=True)]
    after = Task("c", "c", 1)
    outcome = simulate(submitted(*tasks, after), Cluster(2))
    assert outcome.seconds == 3 + 2 + 1
    assert next(iter(outcome.chain)) == "b"


def test_a_gang_is_stretched_alone() -> None:
    both = submitted(Task("a", "a", 1), Task("boost", "boost", 4, gang=True))
    assert simulate(both.stretched(0.5), Cluster(1)).seconds == 3


def test_waiting_for_what_never_comes_is_an_error() -> None:
    task = Task("a", "a", 1)
    with pytest.raises(ValueError, match=r"'a'.*never submitted"):
        simulate(Recording({"a": task}, (Step("wait", ("a",)),)), Cluster(1))


@st.composite
def recordings(draw: st.DrawFn) -> Any:
    """Any graph in one to three submissions, the driver at work between them."""
    count = draw(st.integers(1, 12))
    tasks = []
    for at in range(count):
        needs = draw(st.sets(st.integers(0, at - 1), max_size=3)) if at else set()
        seconds = draw(st.integers(0, 20)) / 4
        tasks.append(Task(f"{at}", f"p{at % 3}", seconds, 8, tuple(f"{n}" for n in sorted(needs))))
    steps, cuts = [], sorted(draw(st.sets(st.integers(1, count), max_size=2)) | {count})
    for first, last in zip([0, *cuts], cuts, strict=False):
        keys = tuple(task.key for task in tasks[first:last])
        own = Step("work", seconds=draw(st.integers(0, 8)) / 4, name="own")
        steps += [own, Step("submit", keys), *([Step("wait", keys)] if draw(st.booleans()) else [])]
    return Recording({task.key: task for task in tasks}, tuple(steps))


@settings(max_examples=150, deadline=None)
@given(recordings(), st.integers(1, 6))
def test_between_the_bounds_of_every_schedule(recording: Any, workers: int) -> None:
    """No faster than the longest way or all work shared out; no slower than Graham's bound."""
    outcome = simulate(recording, Cluster(workers, bandwidth=float("inf")))
    longest = critical_path(recording).seconds
    assert outcome.seconds >= max(longest, recording.work / workers) - 1e-9
    assert outcome.seconds <= recording.work / workers + longest + 1e-9
    assert sum(outcome.chain.values()) == pytest.approx(outcome.seconds)


@settings(max_examples=50, deadline=None)
@given(recordings())
def test_one_worker_takes_the_sum(recording: Any) -> None:
    """Where the driver does nothing of its own."""
    quiet = Recording(recording.tasks, tuple(s for s in recording.steps if s.kind != "work"))
    assert simulate(quiet, Cluster(1)).seconds == pytest.approx(recording.work)


@settings(max_examples=50, deadline=None)
@given(recordings(), st.integers(1, 6))
def test_nothing_takes_longer_than_all_of_it_in_turn(recording: Any, workers: int) -> None:
    slow = simulate(recording, Cluster(workers, bandwidth=8.0))  # a result a second
    moved = sum(len(task.needs) + 1 for task in recording.tasks.values())
    assert slow.seconds <= recording.work + recording.driver + moved + 1e-9
    assert sum(slow.chain.values()) == pytest.approx(slow.seconds)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=12), st.integers(1, 6))
def test_a_further_worker_delays_no_independent_task(lengths: list[int], workers: int) -> None:
    recording = submitted(*(Task(f"{at}", "t", each) for at, each in enumerate(lengths)))
    fewer, more = (simulate(recording, Cluster(count)) for count in (workers, workers + 1))
    assert more.seconds <= fewer.seconds
