"""The scheduler of dynamic schemes: any order of events, words, losses, speeds, virtual time."""

import copy
import itertools

import numpy as np
import pytest

from coded_dgd import schemes
from coded_dgd.config import RunConfig
from coded_dgd.engine import job
from coded_dgd.engine.setup import prepare
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.errors import UsageError
from coded_dgd.guard import GuardedDecoder
from coded_dgd.scheduling.scheduler import NONE, RESERVED, WORDS, Scheduler
from coded_dgd.scheduling.shares import Shares, balanced
from coded_dgd.scheduling.virtual import WARM_UP, VirtualWorkers
from coded_dgd.schemes.dynamic import DynamicScheme
from coded_dgd.schemes.progress import BlockProgress

CASES = range(150)
"""Seeds of small random cases."""


def uc_dynamic(workers, blocks, copies, **options):
    return schemes.create("uc-dynamic", workers, blocks, copies=str(copies), **options)


def random_scheme(rng):
    workers, blocks = int(rng.integers(1, 9)), int(rng.integers(1, 31))
    shares = ("equal", "speed")[rng.integers(2)]
    return uc_dynamic(workers, blocks, rng.integers(1, workers + 1), shares=shares)


def random_finish(rng, scheme, never=0.0):
    """Finish times of tasks in an order that each worker's speed, and chance, decide."""
    shape = (scheme.workers, scheme.load)
    seconds = rng.exponential(1.0, shape) * 10.0 ** rng.uniform(-1, 1, (scheme.workers, 1))
    seconds[rng.random(shape) < never] = np.inf
    return np.cumsum(seconds, axis=1)


def random_losses(rng, scheme):
    gone = rng.permutation(scheme.workers)[: rng.integers(0, scheme.workers + 1)]
    return {int(w): float(rng.choice([0.0, rng.exponential(2.0)])) for w in gone}


def holders(scheme):
    found = [set() for _ in range(scheme.blocks)]
    for worker in range(scheme.workers):
        for block in scheme.held(worker).tolist():
            found[block].add(worker)
    return found


class Played:
    """Workers that hear every word at once and finish their tasks in any order among them."""

    def __init__(self, scheme, rng):
        self.scheme, self.rng, self.scheduler = scheme, rng, Scheduler(scheme)
        self.lists = [scheme.own_tasks(worker).tolist() for worker in range(scheme.workers)]
        self.scheduler.begin(self.lists)
        self.lost, self.firsts, self.now, self.words, self.refused = set(), {}, 0.0, 0, set()
        self.hear()

    def hear(self):
        for worker, take, drop in self.scheduler.words(self.now):
            self.words += 1
            assert worker not in self.lost
            if drop != NONE:
                self.lists[worker].remove(drop)
            if take != NONE:
                assert take not in self.lists[worker]
                self.lists[worker].append(take)
        for worker, (tasks, blocks) in enumerate(
            zip(self.lists, self.scheduler.progress.lists, strict=True)
        ):
            assert self.scheme.held(worker)[tasks].tolist() == blocks
            assert self.words_run_out or not self.scheduler.progress.finished & {*blocks}

    @property
    def words_run_out(self):
        """Whether workers may not be told any more that a block is finished."""
        return self.words >= int((WORDS - RESERVED) * self.scheme.blocks) - 1

    @property
    def busy(self):
        return [worker for worker, tasks in enumerate(self.lists) if tasks]

    def wait(self):
        """Let time pass until a worker is busy; return whether one is."""
        while not self.busy and self.scheduler.next_instant < np.inf:
            self.now = self.scheduler.next_instant
            self.hear()
        return bool(self.busy)

    def finish(self):
        worker = int(self.rng.choice(self.busy))
        self.now += self.rng.exponential(0.01)
        number = self.lists[worker].pop(0)
        block = int(self.scheme.held(worker)[number])
        assert self.words_run_out or block not in self.firsts
        self.firsts.setdefault(block, worker)
        self.scheduler.finish(worker, number, self.now)
        if not self.scheduler.complete:
            self.hear()

    def refuse(self):
        worker = int(self.rng.choice(self.busy))
        number = self.lists[worker].pop(0)
        self.refused.add((worker, int(self.scheme.held(worker)[number])))
        self.scheduler.refuse(worker, number, self.now)
        self.hear()

    def lose(self, worker):
        self.lost.add(worker)
        self.lists[worker] = []
        self.scheduler.lose(worker, self.now)
        self.hear()


@pytest.mark.parametrize("seed", CASES)
def test_every_block_counts_once_in_any_order_of_arrival(seed):
    rng = np.random.default_rng(seed)
    played = Played(random_scheme(rng), rng)
    while not played.scheduler.complete:
        played.wait()
        played.finish()
    assert len(played.firsts) == played.scheme.blocks
    assert played.words <= WORDS * played.scheme.blocks
    assert played.scheduler.words_sent == played.words


@pytest.mark.parametrize("seed", CASES)
def test_losses_and_refusals_are_survived_as_long_as_a_holder_can_compute_a_block(seed):
    rng = np.random.default_rng(seed)
    played = Played(random_scheme(rng), rng)
    holds = holders(played.scheme)
    while played.wait() and not played.scheduler.complete:
        chance = rng.random()
        left = [*{*range(played.scheme.workers)} - played.lost]
        if chance < 0.1:
            played.lose(int(rng.choice(left)))
        elif chance < 0.2:
            played.refuse()
        else:
            played.finish()
    able = [
        {w for w in workers - played.lost if (w, block) not in played.refused}
        for block, workers in enumerate(holds)
    ]
    missing = {*range(played.scheme.blocks)} - played.firsts.keys()
    assert played.scheduler.complete == (not missing)
    assert not any(able[block] for block in missing)


@pytest.mark.parametrize("seed", CASES)
def test_an_iteration_completes_if_every_block_keeps_a_living_holder(seed):
    rng = np.random.default_rng(seed)
    scheme = random_scheme(rng)
    finish, lost = random_finish(rng, scheme, never=0.05), random_losses(rng, scheme)
    late = rng.choice([0.0, 0.3])
    workers = VirtualWorkers(scheme, late)
    completion, order = workers.run(finish, lost)
    run_out = workers.words >= int((WORDS - RESERVED) * scheme.blocks) - 1
    blocks = [int(scheme.held(worker)[task]) for worker, task in order]
    missing = {*range(scheme.blocks)} - {*blocks}
    assert np.isfinite(completion) == (not missing)
    stuck = lost.keys() | {w for w in range(scheme.workers) if np.isinf(finish[w, -1])}
    assert run_out or all(holders(scheme)[block] <= stuck for block in missing)
    decoder = GuardedDecoder(scheme, 2.0)
    decoder.begin()
    assert [decoder.arrive(key) for key in order] == [
        {*blocks[: count + 1]} == {*range(scheme.blocks)} for count in range(len(order))
    ]
    if not missing:
        used = decoder.weights != 0
        assert (decoder.weights[used] == 1).all()
        assert sorted(blocks[each] for each in np.flatnonzero(used)) == [*range(scheme.blocks)]
        assert late or run_out or len(blocks) == scheme.blocks


@pytest.mark.parametrize("seed", [8, 225, 253, 454, 543, 1436, 2209, 2839])
def test_tasks_that_never_end_are_taken_over_whatever_that_costs_in_words(seed):
    """In these cases words have run out, or workers have waited for each other for ever."""
    rng = np.random.default_rng(seed + 10**6)
    scheme = random_scheme(rng)
    finish = random_finish(rng, scheme, never=(0, 0.05, 0.2, 0.5)[rng.integers(4)])
    lost = random_losses(rng, scheme) if rng.random() < 0.4 else {}
    completion, order = VirtualWorkers(scheme).run(finish, lost)
    missing = {*range(scheme.blocks)} - {int(scheme.held(w)[task]) for w, task in order}
    assert np.isfinite(completion) == (not missing)
    stuck = lost.keys() | {w for w in range(scheme.workers) if np.isinf(finish[w, -1])}
    assert all(holders(scheme)[block] <= stuck for block in missing)


def test_a_worker_that_waits_is_asked_as_soon_as_another_is_lost():
    scheduler = Scheduler(uc_dynamic(2, 3, 2, shares="equal"))
    scheduler.begin([[0, 1], [0]])
    scheduler.finish(0, 0, 5.0)
    scheduler.finish(1, 0, 9.0)
    assert scheduler.words(9.0) == []  # worker 0 is expected to finish the last block at 10.0
    scheduler.lose(0, 9.1)
    ((worker, _, drop),) = scheduler.words(9.1)
    assert (worker, drop) == (1, NONE)
    assert scheduler.progress.lists[1] == [1]


def test_speeds_that_differ_by_many_orders_of_magnitude():
    progress = BlockProgress(2, 4)
    progress.finished |= {0, 1}
    progress.done[0] = 1  # in no time
    progress.lists[1], progress.begun[2], progress.waiting[3] = [2, 3], [1], [1]
    progress.advance(1e9)
    assert uc_dynamic(2, 4, 2).next_task(0, progress) == 3


@pytest.mark.parametrize("seed", range(40))
def test_the_engine_on_the_simulated_transport_is_virtual_time(seed):
    rng = np.random.default_rng(seed)
    workers = int(rng.integers(1, 8))
    copies = int(rng.integers(1, workers + 1))
    kept = {} if copies == 1 else {int(rng.integers(workers)): float(rng.exponential(1.0))}
    laws = ["shifted-exponential:tasks=independent", "pareto", "persistent:ranks=1,factor=4"]
    config = RunConfig(
        scheme="uc-dynamic", workers=workers, blocks=int(rng.integers(1, 31)), copies=str(copies),
        delay=laws[seed % 3], transport="simulated", iterations=6, seed=seed, check_gradient=True,
        data="synthetic:rows=61,features=8", shares=("equal", "speed")[seed % 2],
    )  # fmt: skip
    outcome = job.run(prepare(config, None), SimulatedTransport(workers, losses=kept))
    times = [record.completion_time for record in outcome.log]
    np.testing.assert_allclose(times, outcome.ideal, rtol=1e-12)
    assert max(record.gradient_error for record in outcome.log) <= 1e-13
    setup, replayed = outcome.setup, VirtualWorkers(prepare(config, None).scheme)
    work = setup.scheme.work_under(setup.delay)
    left = np.cumsum([0.0, *times])
    for t in range(6):
        finish = [setup.delay.finish_times(t, worker, work) for worker in range(workers)]
        lost = {w: max(0.0, at - left[t]) for w, at in kept.items() if at < left[t + 1]}
        assert replayed.run(np.array(finish), lost)[0] == pytest.approx(times[t], rel=1e-9)


# Words


def test_no_words_follow_the_last_block():
    rng = np.random.default_rng(0)
    played = Played(uc_dynamic(5, 20, 3), rng)
    while not played.scheduler.complete:
        played.wait()
        played.finish()
    sent = played.scheduler.words_sent
    assert sent == played.words > 0
    assert played.scheduler.words(played.now) == []


@pytest.mark.parametrize("copies", [2, 4, 10])
@pytest.mark.parametrize("late", [0.0, 0.002, 0.1])
def test_words_are_few_and_iterations_complete_with_words_of_any_age(copies, late):
    rng = np.random.default_rng(0)
    scheme = uc_dynamic(10, 40, copies)
    workers, times = VirtualWorkers(scheme, late), []
    for _ in range(30):
        times.append(workers.run(random_finish(rng, scheme)).completion_time)
        assert workers.words <= WORDS * scheme.blocks
    assert np.isfinite(times).all()


def test_late_words_cost_time_and_no_blocks():
    scheme, means = uc_dynamic(10, 40, 4, shares="equal"), []
    for late in (0.0, 0.5, 1e9):
        rng, workers = np.random.default_rng(1), VirtualWorkers(scheme, late)
        means.append(
            np.mean([workers.run(random_finish(rng, scheme)).completion_time for _ in range(40)])
        )
    assert means == sorted(means)
    rng = np.random.default_rng(1)
    fixed = [random_finish(rng, scheme)[:, 3].max() for _ in range(40)]
    assert means[-1] == pytest.approx(np.mean(fixed))  # every worker does its own four blocks


def test_a_task_that_a_word_drops_too_late_counts_once():
    """Two workers do the same block, since the word that drops it is under way for too long."""
    scheme, twice = uc_dynamic(4, 16, 4, shares="equal"), 0
    for seed in range(10):
        finish = random_finish(np.random.default_rng(seed), scheme)
        _, order = VirtualWorkers(scheme, late=0.5).run(finish)
        blocks = [int(scheme.held(worker)[task]) for worker, task in order]
        assert {*blocks} == {*range(16)}
        twice += len(blocks) - 16
    assert twice > 0


class Silent(DynamicScheme):
    """Nobody is given anything beyond own tasks: those of the first worker."""

    answer = None

    def held(self, worker):
        return np.arange(self.blocks)

    def own_tasks(self, worker):
        return np.arange(self.blocks // 2) if worker == 0 else np.empty(0, dtype=int)

    def next_task(self, worker, progress):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_scheme_that_stands_still_is_refused_in_one_line():
    workers = VirtualWorkers(Silent("silent", 2, 4, 4))
    with pytest.raises(UsageError) as caught:
        workers.run(np.cumsum(np.ones((2, 4)), axis=1))
    assert str(caught.value) == (
        "scheme silent: next_task returned None for every worker, though block 2 has not arrived: "
        "return a task for a worker that holds it"
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (4, r"returned 4 for worker 1, and has to return a position in held\(1\), from 0 to 3"),
        (-1, r"returned -1 for worker 1"),
        (1.5, r"returned 1.5 for worker 1"),
        ("a", r"returned 'a' for worker 1"),
        (ValueError("so"), r"next_task.* so"),
    ],
)
def test_an_answer_that_is_no_task_is_refused_in_one_line(answer, words):
    scheme = Silent("silent", 2, 4, 4)
    scheme.answer = answer
    with pytest.raises(UsageError, match=words) as caught:
        VirtualWorkers(scheme).run(np.ones((2, 4)))
    assert "\n" not in str(caught.value)


def test_a_task_of_the_list_is_no_further_task():
    scheme = Silent("silent", 1, 4, 4)
    scheme.answer = 1
    with pytest.raises(UsageError, match="returned 1 for worker 0, in whose list that task is"):
        VirtualWorkers(scheme).run(np.cumsum(np.full((1, 4), 1e-3), axis=1))


# Shares


@pytest.mark.parametrize("seed", range(60))
def test_own_lists_are_optimal(seed):
    """Against all ways to give each block to one of its holders."""
    rng = np.random.default_rng(seed)
    workers, blocks = int(rng.integers(1, 5)), int(rng.integers(1, 7))
    speed = rng.choice([0.5, 1.0, 2.0, 3.3], workers)
    speed[rng.random(workers) < 0.15] = 0.0
    holds = [
        sorted(rng.permutation(workers)[: rng.integers(1, workers + 1)].tolist())
        for _ in range(blocks)
    ]

    def end(owners):
        counts = np.bincount([w for w in owners if w >= 0], minlength=workers)
        return max((n / s for n, s in zip(counts, speed, strict=True) if n), default=0.0)

    living = [[w for w in each if speed[w]] or [-1] for each in holds]
    found = balanced(holds, speed)
    assert all(owner in each for owner, each in zip(found, living, strict=True))
    best = min(end(owners) for owners in itertools.product(*living))
    assert end(found) == pytest.approx(best, rel=1e-8)


def test_a_lasting_difference_in_speed_is_learnt():
    scheme = uc_dynamic(5, 42, 3)
    workers, shares = VirtualWorkers(scheme), Shares(scheme)
    scheduler = Scheduler(scheme)
    seconds = np.array([1.0, 1.0, 5.0, 1.0, 1.0])
    finish = np.cumsum(np.tile(seconds[:, None], scheme.load), axis=1)
    times = [workers.run(finish).completion_time for _ in range(12)]
    assert times[-3:] == pytest.approx([10.0] * 3, rel=0.02)  # 42 blocks at 4.2 per second
    for _ in range(12):  # the lists of an iteration of which nobody is told anything
        lists = shares.divide()
        scheduler.begin(lists)
        ends = sorted(
            ((count + 1) * seconds[worker], worker, number)
            for worker, tasks in enumerate(lists)
            for count, number in enumerate(tasks)
        )
        for now, worker, number in ends:
            scheduler.finish(worker, number, now)
        shares.observe(scheduler.progress)
    assert [len(each) for each in lists] == [10, 10, 2, 10, 10]
    blocks = [int(scheme.held(w)[n]) for w, numbers in enumerate(lists) for n in numbers]
    assert sorted(blocks) == [*range(42)]


@pytest.mark.parametrize("seed", range(5))
def test_speeds_that_do_not_last_leave_the_lists_as_they_are(seed):
    rng, scheme = np.random.default_rng(seed), uc_dynamic(40, 160, 10)
    shares, scheduler, told = Shares(scheme), Scheduler(scheme), 0
    for _ in range(60):
        before = shares.lists
        scheduler.begin(shares.divide())
        told += sum(a != b for a, b in zip(before, shares.lists, strict=True))
        seconds = 0.01 + rng.exponential(0.1, 40)
        for worker, tasks in enumerate(shares.lists):
            for count, number in enumerate(tasks):
                scheduler.finish(worker, number, (count + 1) * seconds[worker])
        shares.observe(scheduler.progress)
    assert told < 0.1 * 40 * 60


def test_equal_shares_stay_the_own_blocks():
    scheme = uc_dynamic(5, 42, 3, shares="equal")
    workers = VirtualWorkers(scheme)
    finish = np.cumsum(np.tile([[1.0], [1.0], [5.0], [1.0], [1.0]], scheme.load), axis=1)
    times = [workers.run(finish).completion_time for _ in range(5)]
    assert len({*times}) == 1


@pytest.mark.parametrize("seed", range(20))
def test_iterations_that_settle_are_those_before_the_ones_returned(seed):
    """Those of equal shares are left out, which must make no difference."""
    rng = np.random.default_rng(seed)
    scheme = random_scheme(rng)
    finish = np.array([random_finish(rng, scheme) for _ in range(WARM_UP + 4)])
    workers, settled = VirtualWorkers(scheme), VirtualWorkers(scheme)
    every = [workers.run(each) for each in finish]
    assert settled.run_settled(finish) == every[WARM_UP:]
    workers = VirtualWorkers(scheme)
    silent = rng.integers(scheme.workers, size=4).tolist()
    for each in finish[:WARM_UP]:
        workers.run(each)
    expected = [
        workers.run(each, {w: 0.0}) for each, w in zip(finish[WARM_UP:], silent, strict=True)
    ]
    assert VirtualWorkers(scheme).run_settled(finish, silent) == expected


def test_lists_leave_out_the_workers_that_are_lost():
    scheme = uc_dynamic(4, 16, 2)
    shares, scheduler = Shares(scheme), Scheduler(scheme)
    scheduler.begin(shares.divide())
    for worker in range(4):
        for count, number in enumerate(shares.lists[worker]):
            scheduler.finish(worker, number, count + 1.0)
    shares.observe(scheduler.progress)
    lists = shares.divide({1})
    assert lists[1] == []
    assert sorted(int(scheme.held(w)[n]) for w in (0, 2, 3) for n in lists[w]) == [*range(16)]
    assert [len(each) for each in shares.divide()] == [4] * 4


def test_speeds_go_on_from_what_was_saved():
    scheme = uc_dynamic(5, 42, 3)
    rng, shares, scheduler = np.random.default_rng(0), Shares(scheme), Scheduler(scheme)
    assert shares.state() is None

    def play(shares):
        lists = shares.divide()
        scheduler.begin(lists)
        for worker, tasks in enumerate(lists):
            for number in tasks:
                scheduler.finish(worker, number, float(rng.exponential(1.0)))
        shares.observe(scheduler.progress)

    for count in range(8):
        again = Shares(scheme)
        again.restore(shares.state())
        assert again.divide() == shares.divide(), count
        assert again.state() == shares.state()
        before = copy.deepcopy(again.state())
        play(shares)
        assert again.state() == before  # nothing is shared


# Placement


@pytest.mark.parametrize("hosts", [None, 2, 3])
@pytest.mark.parametrize("workers", [1, 2, 3, 5, 8, 11])
def test_copies_are_on_different_workers_and_loads_are_balanced(workers, hosts):
    for per_worker, copies in itertools.product((1, 4, 2.6), range(1, workers + 1)):
        blocks = round(per_worker * workers)
        scheme = uc_dynamic(workers, blocks, copies)
        if hosts:
            scheme.place([worker % hosts for worker in range(workers)])
        holds = [scheme.held(worker).tolist() for worker in range(workers)]
        assert all(len({*each}) == len(each) for each in holds)
        assert {len(each) for each in holds} == {-(-copies * blocks // workers)}
        counts = np.bincount(np.concatenate(holds), minlength=blocks)
        assert counts.min() >= copies
        assert counts.max() <= counts.min() + 1
        own = [scheme.held(w)[scheme.own_tasks(w)].tolist() for w in range(workers)]
        assert [*itertools.chain(*own)] == [*range(blocks)]
        assert max(map(len, own)) <= min(map(len, own)) + 1


def test_all_copies_are_on_all_workers():
    scheme = uc_dynamic(6, 24, "all")
    assert all(sorted(scheme.held(worker)) == [*range(24)] for worker in range(6))


@pytest.mark.parametrize(
    ("workers", "hosts", "copies"), [(8, 2, 2), (8, 4, 3), (9, 3, 3), (12, 4, 3), (40, 4, 10)]
)
def test_copies_of_a_block_are_spread_over_hosts(workers, hosts, copies):
    scheme = uc_dynamic(workers, 4 * workers, copies)
    where = [worker * hosts // workers for worker in range(workers)]
    scheme.place(where)
    spread = [len({where[worker] for worker in each}) for each in holders(scheme)]
    assert np.mean(np.array(spread) == min(copies, hosts)) > 0.9
    assert min(spread) >= 2


@pytest.mark.parametrize(("copies", "others"), [(2, 4), (4, 10), (10, 25)])
def test_the_blocks_of_a_worker_are_spread_over_many_others(copies, others):
    scheme = uc_dynamic(40, 160, copies)
    holds = holders(scheme)
    for worker in range(40):
        own = scheme.held(worker)[scheme.own_tasks(worker)]
        helpers = set().union(*(holds[block] for block in own)) - {worker}
        assert len(helpers) >= others


def test_the_seed_decides_the_placement():
    first, again, other = (uc_dynamic(10, 40, 3, seed=seed) for seed in (1, 1, 2))
    same = [np.array_equal(first.held(w), again.held(w)) for w in range(10)]
    differ = [np.array_equal(first.held(w), other.held(w)) for w in range(10)]
    assert all(same)
    assert not any(differ)


def test_nothing_is_due_once_all_is_done_until_a_result_is_lost():
    """Else rank 0 would not pause while it waits for sums of results."""
    scheme = uc_dynamic(3, 6, 3)
    scheduler = Scheduler(scheme)
    lists = [scheme.own_tasks(worker).tolist() for worker in range(3)]
    scheduler.begin(lists)
    now = 0.0
    while not scheduler.complete:
        assert scheduler.next_instant < np.inf or any(scheduler.progress.lists)
        now += 0.1
        worker = max(range(3), key=lambda w: len(scheduler.progress.lists[w]))
        block = scheduler.progress.lists[worker][0]
        scheduler.finish(worker, scheme.held(worker).tolist().index(block), now)
        if not scheduler.complete:
            scheduler.words(now)
    assert scheduler.next_instant == np.inf
    scheduler.reopen(0, 0)
    scheduler.lose(0, now)
    (word,) = (word for word in scheduler.words(now) if word.take != NONE)
    assert scheme.held(word.worker)[word.take] == scheme.held(0)[0]
