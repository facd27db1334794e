"""What is kept of the past: by steps, with gaps, rebuilt from the job list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.model.chronicle import CARRIED
from tui.model.dashboard import Dashboard
from tui.model.facts import StateCounts
from tui.model.trends import STEPS, Depth, Trends, bucket, quantile

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

NOW = 1_000_000


def watched(trends: Trends, first: int, last: int, running: int = 2) -> None:
    for second in range(first, last + 1):
        trends.watched(second, 1, Depth(1, 5, running), (running, 4))


def test_a_minute_second_by_second() -> None:
    trends = Trends()
    watched(trends, NOW - 30, NOW)
    trends.ended([NOW - 10, NOW - 9.5], False)
    trends.ended([NOW - 10], True)
    window = trends.window(NOW + 1.5, 60, 200)
    assert (window.start, window.step, len(window.moments)) == (NOW - 59, 1, 60)
    assert [moment.depth for moment in window.moments[:29]] == [None] * 29
    last = window.moments[-1]
    assert (last.time, last.depth, last.cores) == (NOW, (1, 5, 2), 0.5)
    rates = {moment.time: moment.rate for moment in window.moments if moment.rate}
    assert rates[NOW - 10] == (2, 1)
    assert rates[NOW - 8] == (0, 0)


@pytest.mark.parametrize("span", [60, 600, 3600, 8 * 3600, None])
@pytest.mark.parametrize("points", [2, 7, 60, 400])
def test_every_span_holds_what_happened_in_it(span: int | None, points: int) -> None:
    trends = Trends()
    watched(trends, NOW - 50, NOW - 1)
    trends.ended([NOW - 40] * 7, False)
    window = trends.window(NOW, span, points)
    assert 0 < len(window.moments) <= points
    ended = 0.0
    for moment in window.moments:
        if moment.rate is not None:
            known = [t for t in range(NOW - 50, NOW) if 0 <= t - moment.time < window.step]
            ended += moment.rate.completed * len(known)
    assert ended == pytest.approx(7)
    assert window.start <= NOW - min(window.seconds, span or 60) + window.step
    assert window.start + window.seconds >= NOW - 1


def test_the_curve_stands_while_time_goes_on_within_a_step() -> None:
    trends = Trends()
    watched(trends, NOW - 3000, NOW + 100)
    before = trends.window(NOW, 600, 100)
    after = trends.window(NOW + 5, 600, 100)
    assert before.moments[5:80] == after.moments[5:80] or before.start != after.start
    assert {m.time for m in before.moments} & {m.time for m in after.moments}


def test_memory_is_bounded_and_what_is_old_is_gone() -> None:
    trends = Trends()
    watched(trends, NOW, NOW + 9)
    trends.waited(NOW, 1.0)
    far = NOW + STEPS[-1][0] * STEPS[-1][1] * 2
    watched(trends, far, far)
    trends.ended([NOW], False)
    for ring in trends.rings:
        assert sum(ring.seconds) == 1
        assert sum(ring.completed) == 0
        assert not ring.waits
    window = trends.window(far + 1, None, 50)
    assert [moment.depth for moment in window.moments if moment.depth] == [(1, 5, 2)]


def test_a_longer_memory_where_it_is_asked_for() -> None:
    trends = Trends(36_000)
    watched(trends, NOW, NOW)
    watched(trends, NOW + 36_000, NOW + 36_000)
    assert trends.rings[0].moment(NOW, NOW + 1).depth == (1, 5, 2)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=60), st.sampled_from((0.5, 0.95)))
def test_a_quantile_is_right_to_a_bucket(times: list[float], share: float) -> None:
    counts = [0] * 96
    for seconds in times:
        counts[bucket(seconds)] += 1
    exact = sorted(times)[max(0, -(-int(share * 100) * len(times) // 100) - 1)]
    assert quantile(counts, share) == pytest.approx(exact, rel=0.27)


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


def settled(dashboard: Dashboard, rounds: int = 12) -> None:
    for _ in range(rounds):
        dashboard.settle()
        dashboard.rebuild_some()


def job(number: int, submit: float, run: float = 0, end: float = 0, result: int = 1) -> JsonObject:
    state = 64 if end else 16 if run else 8
    return {
        "id": number, "state": state, "result": result if end else 0, "t_submit": submit,
        "t_run": run, "t_cleanup": end, "t_inactive": end,
    }  # fmt: skip


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dashboard(clock: Clock) -> Dashboard:
    return Dashboard(clock)


def connect(dashboard: Dashboard, *jobs: JsonObject) -> None:
    dashboard.replace(jobs)
    dashboard.utilisation.set(4, 1, 0, 1, 0)
    dashboard.set_link(True)
    settled(dashboard)


def test_the_past_is_rebuilt_from_the_job_list(dashboard: Dashboard) -> None:
    connect(
        dashboard,
        job(1, NOW - 100, NOW - 90, NOW - 50),
        job(2, NOW - 80, NOW - 60, NOW - 40, result=2),
        job(3, NOW - 70, 0, NOW - 65, result=4),
        job(4, NOW - 20, NOW - 10),
        job(5, NOW - 5),
    )
    moments = {m.time: m for m in dashboard.trends.window(NOW + 1, 120, 200).moments}
    assert moments[NOW - 101].depth is None
    assert moments[NOW - 95].depth == (0, 1, 0)
    assert moments[NOW - 68].depth == (0, 2, 1)
    assert moments[NOW - 55].depth == (0, 0, 2)
    assert moments[NOW - 30].depth == (0, 0, 0)
    assert moments[NOW - 3].depth == (0, 1, 1)
    assert moments[NOW - 50].rate == (1, 0)
    assert moments[NOW - 40].rate == (0, 1)
    assert moments[NOW - 65].rate == (0, 0)
    assert moments[NOW - 3].rebuilt
    assert not moments[NOW].rebuilt
    assert (moments[NOW].depth, moments[NOW].cores) == ((0, 1, 1), 0.25)
    wait = moments[NOW - 90].wait
    assert wait is not None
    assert wait.median == pytest.approx(10, rel=0.3)
    coarse = dashboard.trends.rings[2]
    ended = sum(coarse.completed), sum(coarse.failed)
    assert ended == (1, 1)
    for ring in dashboard.trends.rings:
        assert sum(ring.running) == pytest.approx(40 + 20 + 11)
        assert sum(ring.queued) == pytest.approx(10 + 20 + 5 + 10 + 6)


def test_what_is_told_is_counted_once(dashboard: Dashboard, clock: Clock) -> None:
    connect(dashboard, job(1, NOW - 9, NOW - 8), job(2, NOW - 5))
    clock.now = NOW + 2
    events = [
        (2, "alloc", NOW + 1), (2, "start", NOW + 1.25),
        (1, "finish", NOW + 1), (1, "clean", NOW + 1),
    ]  # fmt: skip
    dashboard.apply([{"id": i, "entry": {"timestamp": t, "name": n}} for i, n, t in events])
    settled(dashboard)
    ring = dashboard.trends.rings[0]
    moment = ring.moment(NOW + 1, NOW + 2)
    assert moment.wait is not None
    assert moment.wait.median == pytest.approx(6, rel=0.3)
    assert moment.launch is not None
    assert moment.launch.most == pytest.approx(0.25, rel=0.3)
    assert sum(ring.completed) + sum(ring.failed) == 1
    assert sum(sum(counts) for counts in ring.waits.values()) == 2


def test_what_happened_while_the_past_is_rebuilt_is_counted_once(
    dashboard: Dashboard, clock: Clock
) -> None:
    jobs = [job(n, NOW - 500, NOW - 400) for n in range(1, 3001)]
    dashboard.replace(jobs)
    dashboard.set_link(True)
    dashboard.settle()
    assert dashboard.rebuild_some()  # the first thousand
    told = [(1, NOW - 0.5), (3000, NOW - 0.5), (2, NOW + 0.5), (2999, NOW + 0.5)]
    events = [
        {"id": n, "entry": {"timestamp": t, "name": name, "context": {"status": 0}}}
        for n, t in told
        for name in ("finish", "clean")
    ]
    dashboard.apply(events)
    clock.now += 1
    settled(dashboard)
    for ring in dashboard.trends.rings[:2]:
        assert sum(ring.completed) == 4
        assert sum(sum(counts) for counts in ring.waits.values()) == 3000


def test_a_lost_connection_is_a_gap_in_what_only_watching_tells(
    dashboard: Dashboard, clock: Clock
) -> None:
    first = job(1, NOW - 50, NOW - 40)
    connect(dashboard, first)
    for _ in range(5):
        clock.now += 1
        dashboard.settle()
    dashboard.set_link(False, "gone")
    for _ in range(20):
        clock.now += 1
        dashboard.settle()
    moments = {m.time: m for m in dashboard.trends.window(clock.now + 1, 60, 200).moments}
    assert moments[NOW + 5].cores == 0.25
    assert moments[NOW + 6].depth is moments[NOW + 25].depth is None
    connect(dashboard, job(1, NOW - 50, NOW - 40, NOW + 10))
    moments = {m.time: m for m in dashboard.trends.window(clock.now + 1, 60, 200).moments}
    assert (moments[NOW + 5].rebuilt, moments[NOW + 5].cores) == (False, 0.25)
    assert (moments[NOW + 7].depth, moments[NOW + 7].cores) == ((0, 0, 1), None)
    assert moments[NOW + 7].rebuilt
    assert moments[NOW + 10].rate == (1, 0)
    assert moments[NOW + 12].depth == (0, 0, 0)
    assert moments[NOW + 25].cores == 0.25


def test_a_busy_moment_is_no_gap_and_a_long_sleep_is(dashboard: Dashboard, clock: Clock) -> None:
    connect(dashboard)
    clock.now += CARRIED
    dashboard.settle()
    clock.now += 60
    dashboard.settle()
    moments = {m.time: m for m in dashboard.trends.window(clock.now + 1, 120, 200).moments}
    assert moments[NOW + 1].depth == (0, 0, 0)
    assert moments[NOW + CARRIED + 1].depth is None


def test_nothing_is_written_before_all_jobs_are_read(dashboard: Dashboard) -> None:
    dashboard.loading = StateCounts(running=2000)
    connect(dashboard, job(1, NOW - 50, NOW - 40))
    assert dashboard.trends.since is None
    dashboard.loading = None
    settled(dashboard)
    assert dashboard.trends.since is not None
