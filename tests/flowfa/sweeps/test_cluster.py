"""A sweep on a Dask scheduler: the same bytes, and one line where it is gone."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import OrderedDict

import pytest

from flowfa.errors import InputError, Interrupted
from flowfa.sweeps import cluster, work_through
from tests.support.sweeps import begun, contents, small_plan
from tests.support.watching import Watch

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def scheduler():
    """A scheduler with one worker in threads of this process."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as made:
        yield made


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = begun(tmp_path_factory.mktemp("whole") / "sweep", small_plan())
    work_through(folder, folder.plan())
    return folder


def test_workers_of_a_scheduler_write_the_same_bytes(scheduler, whole, tmp_path):
    folder = begun(tmp_path / "sweep", small_plan())
    cluster.work_on_cluster(folder, folder.plan(), address=scheduler.scheduler_address)
    assert contents(folder) == contents(whole)


def test_what_is_submitted_is_unpacked_without_flowfa():
    """A scheduler unpacks it too, and answers nobody while it loads torch, or has no flowfa."""
    packed = distributed.protocol.pickle.dumps(cluster._task())
    script = (
        "import sys, pickle; task = pickle.loads(sys.stdin.buffer.read()); "
        "print(callable(task), any(name.startswith(('flowfa', 'torch')) for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=packed, capture_output=True, check=True
    )
    assert done.stdout.split() == [b"True", b"False"]


def test_a_worker_writes_its_cells_without_the_scheduler(scheduler, tmp_path):
    """Also where it is gone: xarray would ask it for a lock, wherever there is a client."""
    from xarray.backends.locks import get_write_lock

    plan, asked = small_plan(), []
    folder = begun(tmp_path / "sweep", plan)

    def watched(name):
        lock = get_write_lock(name)
        asked.append(type(lock))
        return lock

    with distributed.Client(scheduler), pytest.MonkeyPatch.context() as patch:
        patch.setattr("xarray.backends.h5netcdf_.get_write_lock", watched)
        # Templates of other tests would leave nothing for xarray to write.
        patch.setattr("flowfa.records.template._templates", OrderedDict())
        cluster.run_batch(str(folder.path), [plan.cells[0].digest], "")
        assert folder.has(plan.cells[0])
        with_scheduler = type(get_write_lock("a file"))
    local = type(get_write_lock("a file"))
    assert asked and set(asked) == {local}
    # A control: beside a client xarray takes another lock.
    assert with_scheduler is not local


def test_a_client_that_is_stopped_keeps_what_is_done(scheduler, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "batches", lambda plan, cells, shares: [[cell] for cell in cells])
    monkeypatch.setattr(cluster, "WINDOW", 1)
    folder = begun(tmp_path / "sweep", small_plan())

    def interrupt(state):
        if "2 of 4" in state.doing:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="stopped after 2 of 4 cells"):
        cluster.work_on_cluster(
            folder, folder.plan(), address=scheduler.scheduler_address, progress=Watch(interrupt)
        )
    cluster.work_on_cluster(folder, folder.plan(), address=scheduler.scheduler_address)
    assert contents(folder) == contents(whole)


def test_a_batch_that_ends_its_workers_is_halved_until_one_cell_is_left(
    scheduler, tmp_path, monkeypatch
):
    plan, log = small_plan(), tmp_path / "tried"

    def run(folder, digests, checker, seconds):
        # A file, because a worker gets copies of what is in memory.
        with log.open("a") as stream:
            stream.write(f"{len(digests)} ")
        if plan.cells[1].digest in digests:
            raise MemoryError
        cells = [cell for cell in plan.cells if cell.digest in digests]
        work_through(cluster.SweepFolder(folder), plan, cells=cells)
        return []

    monkeypatch.setattr(cluster, "run_batch", run)
    monkeypatch.setattr(cluster, "batches", lambda plan, cells, shares: [cells])
    folder = begun(tmp_path / "sweep", plan)
    cluster.work_on_cluster(folder, plan, address=scheduler.scheduler_address)
    tried = [int(size) for size in log.read_text().split()]
    assert tried[0] == 4 and sorted(tried[1:]) == [1, 1, 2, 2]
    failure = folder.failure(plan.cells[1])
    assert failure is not None and "out of memory" in failure["message"]
    assert folder.counts(plan).done == 3


def test_a_batch_leaves_what_it_has_no_time_for_and_that_is_submitted_again(
    scheduler, whole, tmp_path, monkeypatch
):
    plan = small_plan()
    folder = begun(tmp_path / "sweep", plan)
    digests = [cell.digest for cell in plan.cells]
    assert cluster.run_batch(str(folder.path), digests, "", seconds=0.0) == digests[1:]
    assert folder.counts(plan).done == 1
    monkeypatch.setattr(cluster, "BATCH_SECONDS", 0.0)
    monkeypatch.setattr(cluster, "batches", lambda plan, cells, shares: [cells])
    cluster.work_on_cluster(folder, plan, address=scheduler.scheduler_address)
    assert contents(folder) == contents(whole)


def test_a_scheduler_that_cannot_be_reached_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    folder = begun(tmp_path / "sweep", small_plan())
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9 cannot be reached"):
        cluster.work_on_cluster(folder, folder.plan(), address="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match="there is no file"):
        cluster.work_on_cluster(folder, folder.plan(), file=str(tmp_path / "scheduler.json"))


def test_a_resource_that_is_no_number_is_told(tmp_path):
    folder = begun(tmp_path / "sweep", small_plan())
    with pytest.raises(InputError, match="GPU=1"):
        cluster.work_on_cluster(folder, folder.plan(), address="tcp://x:1", resource="GPU")
