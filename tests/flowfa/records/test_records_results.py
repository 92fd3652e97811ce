"""Results: what was recorded is what is read back, whichever way it went."""

from __future__ import annotations

import json
import resource
from dataclasses import replace

import h5netcdf
import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from flowfa.errors import InputError
from flowfa.records import (
    Recorder,
    RecordLayout,
    build_tree,
    check_output,
    load,
    save_tree,
    write_run,
)
from flowfa.records.assemble import boxes
from flowfa.records.schema import describe
from flowfa.records.writer import _tiles
from tests.support.checksums import without_checksums

TIMES = np.linspace(0.0, 10.0, 7)
RULES = ("fa", "fa", "dfa", "dfa")


@pytest.fixture
def layout():
    return RecordLayout(
        trajectories=4,
        save_times=TIMES,
        snapshot_columns=(0, 3, 6),
        layers=3,
        neuron_layer=np.array([1, 1, 1, 2, 2]),
        neuron_index=np.array([0, 1, 2, 0, 1]),
        weights={"W1": (3, 4), "W2": (2, 3), "W3": (1, 2), "c1": (3,)},
        feedback={"B2": (3, 2), "B3": (2, 1), "D1": (3, 1), "own": (3, 2, 2)},
        rules=RULES,
        starts=np.array([0, 1, 0, 1]),
    )


@pytest.fixture
def contents(layout):
    """Everything that is not recorded row by row, as `write_run` wants it."""
    rng = np.random.default_rng(5)
    feedback = {name: rng.standard_normal((4, *shape)) for name, shape in layout.feedback.items()}
    feedback["D1"][:2] = np.nan
    solver = {
        "status": np.array(["ok", "ok", "ok", "chattering"], dtype=object),
        "message": np.array(["", "", "", "neuron 3 slides along 'x₂ = 0'"], dtype=object),
        "steps": np.arange(4),
        "t_reached": np.array([10.0, 10.0, 10.0, 4.2]),
    }
    return {
        "attributes": {"config": json.dumps({"rtol": 1e-6}), "seed": 3, "git_revision": ""},
        "feedback": feedback,
        "data": {"X": rng.standard_normal((6, 4)), "y": rng.choice([-1.0, 1.0], 6)},
        "solver": solver,
    }


def events(layout):
    """Return rows in the order of a solver: trajectories at paces of their own, the last fails."""
    rng = np.random.default_rng(3)
    last_save = [7, 7, 7, 3]
    found = []
    for step in range(7):
        for rows in ([0, 2], [1], [3]):
            rows = np.array([row for row in rows if step < last_save[row]], dtype=int)
            saves = np.full(len(rows), step)
            shapes = layout.row_shapes.items()
            values = {name: rng.standard_normal((len(rows), *shape)) for name, shape in shapes}
            found.append((rows, saves, values))
    return found


def record(recorder, layout, some=None):
    """Record events, and the weights with them; W are numbers that tell where they belong."""
    for rows, saves, values in some if some is not None else events(layout):
        recorder.add_rows(rows, saves, values)
        kept = np.isin(saves, layout.snapshot_columns)
        columns = np.searchsorted(layout.snapshot_columns, saves[kept])
        recorder.add_snapshots(
            rows[kept], columns, weights(layout, rows[kept], columns), TIMES[saves[kept]]
        )
    return recorder


def finish(recorder, layout):
    """Record the last state of the trajectory that failed."""
    row = np.array([3])
    recorder.add_last_state(row, weights(layout, row, np.array([9])), np.array([4.2]))
    return recorder


def weights(layout, rows, columns):
    marks = 100.0 * rows + columns
    return {
        name: marks.reshape(-1, *[1] * len(shape)) + np.zeros(shape)
        for name, shape in layout.weights.items()
    }


@pytest.fixture
def recorder(layout):
    return finish(record(Recorder(layout, None), layout), layout)


@pytest.fixture
def tree(layout, recorder, contents):
    return build_tree(layout, recorder, **contents)


@pytest.fixture
def path(tmp_path, layout, recorder, contents):
    write_run(tmp_path / "run.nc", layout, recorder, **contents, overwrite=False)
    return tmp_path / "run.nc"


def test_every_row_is_in_its_place_and_nan_where_nothing_was_reached(layout, tree):
    expected = {name: np.full((4, 7, *shape), np.nan) for name, shape in layout.row_shapes.items()}
    for rows, saves, values in events(layout):
        for name, value in values.items():
            expected[name][rows, saves] = value
    for name, array in expected.items():
        group = "neurons" if name == "conserved" else "trajectory"
        np.testing.assert_array_equal(tree[group][name].values, array)
    np.testing.assert_array_equal(tree["neurons"]["kappa"], -expected["conserved"][:, 0])


def test_last_snapshot_of_a_failed_trajectory_is_its_last_state(tree):
    assert tree["weights"]["W1"].values[:, :, 0, 0].tolist()[:3] == [
        [0, 1, 2],
        [100, 101, 102],
        [200, 201, 202],
    ]
    np.testing.assert_array_equal(tree["weights"]["c1"].values[3, :, 0], [300, np.nan, 309])
    np.testing.assert_array_equal(tree["weights"]["snapshot_time"][3], [0, np.nan, 4.2])


def test_matrices_have_the_dimensions_of_their_neurons(tree):
    found = {name: tree["weights"][name].dims for name in ("W1", "c1", "W3", "B2", "D1", "own")}
    assert found == {
        "W1": ("trajectory", "snapshot", "neuron_1", "feature"),
        "c1": ("trajectory", "snapshot", "neuron_1"),
        "W3": ("trajectory", "snapshot", "neuron_3", "neuron_2"),
        "B2": ("trajectory", "neuron_1", "neuron_2"),
        "D1": ("trajectory", "neuron_1", "neuron_3"),
        "own": ("trajectory", "own_0", "own_1", "own_2"),
    }


def test_counts_that_the_solver_does_not_keep_are_minus_one_and_stay_integers(path):
    crossings = load(path)["solver"]["crossings"]
    assert crossings.dtype == np.int64
    assert crossings.values.tolist() == [-1] * 4


def test_file_equals_the_tree_in_memory(path, tree):
    xr.testing.assert_identical(without_checksums(load(path)), tree)


def test_saved_tree_is_stored_as_a_written_run(tmp_path, path, tree):
    save_tree(tree, tmp_path / "saved.nc", overwrite=False)
    xr.testing.assert_identical(load(tmp_path / "saved.nc"), load(path))
    with h5py.File(path) as written, h5py.File(tmp_path / "saved.nc") as saved:

        def compare(name, item):
            if isinstance(item, h5py.Dataset):
                assert (saved[name].dtype, saved[name].chunks) == (item.dtype, item.chunks), name

        written.visititems(compare)


def test_tree_survives_being_saved_over_the_file_it_is_read_from(path, tree):
    lazy = load(path, lazy=True)
    save_tree(lazy, path, overwrite=True)
    lazy.close()
    xr.testing.assert_identical(without_checksums(load(path)), tree)


def test_lazy_tree_keeps_its_values_when_the_file_is_replaced(path, layout, contents, tree):
    lazy = load(path, lazy=True)
    unknown = [
        (rows, saves, {name: array * np.nan for name, array in values.items()})
        for rows, saves, values in events(layout)
    ]
    other = finish(record(Recorder(layout, None), layout, unknown), layout)
    write_run(path, layout, other, **contents, overwrite=True)
    np.testing.assert_array_equal(lazy["trajectory"]["loss"], tree["trajectory"]["loss"])
    lazy.close()
    assert np.isnan(load(path)["trajectory"]["loss"].values).all()


@pytest.mark.parametrize("chunk_bytes", [1, 2000])
def test_chunks_on_disk_give_the_same_file_as_memory(tmp_path, layout, contents, tree, chunk_bytes):
    folder = tmp_path / "chunks"
    recorder = finish(record(Recorder(layout, folder, chunk_bytes), layout), layout)
    write_run(tmp_path / "run.nc", layout, recorder, **contents, overwrite=False)
    assert len(recorder.manifest()) > 5
    xr.testing.assert_identical(without_checksums(load(tmp_path / "run.nc")), tree)


def test_recorder_keeps_copies_of_what_it_is_given(layout, contents, tree):
    recorder = Recorder(layout, None)
    for rows, saves, values in events(layout):
        record(recorder, layout, [(rows, saves, values)])
        for value in values.values():
            value[:] = 0.0
    finish(recorder, layout)
    xr.testing.assert_identical(build_tree(layout, recorder, **contents), tree)


def test_resumed_recorder_forgets_what_came_after_the_checkpoint(tmp_path, layout, contents, tree):
    all_events = events(layout)
    killed = record(Recorder(layout, tmp_path), layout, all_events[:9])
    killed.flush()
    manifest = json.loads(json.dumps(killed.manifest()))
    for rows, saves, values in all_events[9:12]:
        record(killed, layout, [(rows, saves, {name: value + 1 for name, value in values.items()})])
    killed.flush()
    (tmp_path / ".chunk-000002.npz.unfinished").write_bytes(b"half")
    assert len(killed.manifest()) == len(manifest) + 1

    resumed = Recorder.resume(layout, tmp_path, manifest)
    assert [path.name for path in tmp_path.iterdir()] == manifest
    finish(record(resumed, layout, all_events[9:]), layout)
    xr.testing.assert_identical(build_tree(layout, resumed, **contents), tree)


def test_lost_chunk_is_named(tmp_path, layout):
    with pytest.raises(InputError, match=r"lost chunk-000000.npz.*`overwrite=True`"):
        Recorder.resume(layout, tmp_path, ["chunk-000000.npz"])


def test_new_recorder_clears_the_chunks_of_an_earlier_run(tmp_path, layout):
    record(Recorder(layout, tmp_path), layout).flush()
    Recorder(layout, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"save": 7}, {"trajectory": 4}, {"name": "losses"}])
def test_rows_that_do_not_fit_the_layout_are_refused(layout, change):
    rows, saves, values = events(layout)[1]
    if "name" in change:
        values = {**values, "losses": values["loss"]}
    with pytest.raises(ValueError, match=r"not within|expected"):
        Recorder(layout, None).add_rows(
            rows * 0 + change.get("trajectory", 1), saves * 0 + change.get("save", 0), values
        )


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), min_size=1, max_size=40))
def test_boxes_put_every_row_in_its_place_and_the_last_one_counts(places):
    trajectory, column = np.array(places).T
    found, expected = np.full((6, 9), -1), np.full((6, 9), -1)
    for row, place in enumerate(places):
        expected[place] = row
    for box in boxes(trajectory, column):
        part = found[box.places]
        part[box.inside] = box.rows
        assert len(box.rows) >= part.size / 2
    np.testing.assert_array_equal(found, expected)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=3))
def test_tiles_fit_their_size_and_leave_little_unused(shape):
    tiles = _tiles(tuple(shape))
    if tiles is not None:
        assert 8 * np.prod(tiles) <= 2**20
        stored = np.prod([-(-size // tile) * tile for size, tile in zip(shape, tiles, strict=True)])
        assert stored <= 1.3 * np.prod(shape)


def test_file_reads_with_bare_h5py(path, tree):
    with h5py.File(path) as file:
        assert file.attrs["config"] == '{"rtol": 1e-06}'
        np.testing.assert_array_equal(file["weights/W2"], tree["weights"]["W2"])
        assert file["trajectory/loss"].dims[1][0].name == "/trajectory/time"
        assert h5py.check_string_dtype(file["solver/message"].dtype).encoding == "utf-8"
        assert file["solver/message"].asstr()[3] == "neuron 3 slides along 'x₂ = 0'"
        assert file["neurons/conserved"].attrs["spec"] == "C-1"


def test_file_reads_with_bare_xarray(path, tree):
    with xr.open_datatree(path, engine="h5netcdf") as found:
        xr.testing.assert_identical(without_checksums(found.load()), tree)


def test_rule_and_start_are_coordinates(path):
    trajectory = load(path)["trajectory"].to_dataset()
    assert {"time", "trajectory", "layer", "rule", "start"} == set(trajectory.coords)
    assert trajectory["loss"].sel(trajectory=2)["rule"].item() == "dfa"


def test_every_variable_says_what_it_is(tree):
    for node in tree.children.values():
        for variable in node.to_dataset().variables.values():
            assert variable.attrs["long_name"]


def test_data_that_differ_by_start_have_a_start_dimension(tmp_path, layout, recorder, contents):
    contents["data"] = {"X": np.ones((2, 6, 4)), "y": np.ones((2, 6, 3))}
    write_run(tmp_path / "run.nc", layout, recorder, **contents, overwrite=False)
    data = load(tmp_path / "run.nc")["data"]
    assert data["X"].dims == ("start", "sample", "feature")
    assert data["y"].dims == ("start", "sample", "output")


def test_sizes_that_contradict_each_other_are_refused(layout):
    with pytest.raises(ValueError, match="neuron_1"):
        describe(replace(layout, weights={"W1": (3, 4), "W2": (2, 5)}))


def test_failure_while_writing_leaves_the_old_file(path, layout, recorder, contents, monkeypatch):
    before = path.read_bytes()

    def fail():
        yield from Recorder(layout, None).chunks()
        raise OSError(28, "no space")

    monkeypatch.setattr(recorder, "chunks", fail)
    with pytest.raises(InputError, match="No space left on device"):
        write_run(path, layout, recorder, **contents, overwrite=True)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["run.nc"]


@pytest.mark.parametrize("write", ["write_run", "save_tree"])
def test_disk_that_is_full_leaves_the_old_file(path, layout, recorder, contents, tree, write):
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(InputError, match="File too large"):
            if write == "write_run":
                write_run(path, layout, recorder, **contents, overwrite=True)
            else:
                save_tree(tree, path, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["run.nc"]


def test_existing_file_is_not_replaced_unasked(path, layout, recorder, contents, tree):
    for write in (
        lambda: write_run(path, layout, recorder, **contents, overwrite=False),
        lambda: save_tree(tree, path, overwrite=False),
        lambda: check_output(path, False, layout),
    ):
        with pytest.raises(InputError, match=r"run.nc exists.*`overwrite=True`"):
            write()
    check_output(path, True, layout)


def test_every_truncation_is_told(path):
    whole = path.read_bytes()
    for size in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"damaged or incomplete|is empty|no netCDF4") as told:
            load(path)
        assert "\n" not in str(told.value)


def test_other_files_are_told_apart(tmp_path):
    with h5netcdf.File(tmp_path / "other.nc", "w") as file:
        file.create_group("trajectory")
    with pytest.raises(InputError, match="no group /weights"):
        load(tmp_path / "other.nc")
    with pytest.raises(InputError, match=r"there is no file .*missing\.nc"):
        load(tmp_path / "missing.nc")
    with pytest.raises(InputError, match="is a directory"):
        load(tmp_path)
    (tmp_path / "text.nc").write_text("not a result")
    with pytest.raises(InputError, match="no netCDF4 file"):
        load(tmp_path / "text.nc")
