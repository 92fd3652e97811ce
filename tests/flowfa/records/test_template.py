"""Results written from a template: what is read back is what was written, byte for byte."""

from __future__ import annotations

import pytest
import xarray as xr

import flowfa
from flowfa.records import load, save_tree, template
from flowfa.records.checksums import find_changes
from flowfa.records.template import save_alike
from tests.support.checksums import without_checksums


def run(leak, seed=0, rule="fa", save=3):
    data = flowfa.datasets.gaussian(samples=3, dim=4, seed=seed)
    problem = flowfa.Problem(data, (2,), rule=rule, leak=leak)
    return flowfa.simulate(problem, 2, t_end=1.0, save=save, seed=seed).tree


@pytest.fixture(autouse=True)
def no_templates(monkeypatch):
    monkeypatch.setattr(template, "_templates", template.OrderedDict())


def test_what_is_read_back_is_what_was_written(tmp_path):
    for index, tree in enumerate([run(0.5), run(0.1, seed=1), run(0.5, rule=("gd", "signfa"))]):
        path = tmp_path / f"{index}.nc"
        save_alike(tree, path, tree.attrs)
        found = load(path)
        xr.testing.assert_identical(without_checksums(found), tree)
        assert find_changes(found) == []


def test_a_file_does_not_depend_on_what_was_written_before(tmp_path):
    first, second = run(0.5), run(0.1, seed=1)
    save_alike(first, tmp_path / "before.nc", first.attrs)
    save_alike(second, tmp_path / "after.nc", second.attrs)
    template._templates.clear()
    save_alike(second, tmp_path / "alone.nc", second.attrs)
    assert (tmp_path / "after.nc").read_bytes() == (tmp_path / "alone.nc").read_bytes()
    assert (tmp_path / "before.nc").read_bytes() != (tmp_path / "alone.nc").read_bytes()


def test_other_readers_see_the_dimensions_that_a_usual_result_has(tmp_path):
    tree = run(0.5)
    save_alike(tree, tmp_path / "alike.nc", tree.attrs)
    save_tree(tree, tmp_path / "usual.nc", overwrite=False)
    for group in ("trajectory", "weights", "solver"):
        found, usual = (
            xr.open_dataset(tmp_path / name, group=group, engine="h5netcdf")
            for name in ("alike.nc", "usual.nc")
        )
        with found, usual:
            assert found.sizes == usual.sizes and set(found.coords) == set(usual.coords)


def test_templates_are_kept_of_few_structures(tmp_path):
    for save in range(3, 3 + 2 * template._MOST_TEMPLATES):
        tree = xr.DataTree(children={"a": xr.DataTree(xr.Dataset({"x": ("t", [1.0] * save)}))})
        save_alike(tree, tmp_path / "a.nc", tree.attrs)
    assert len(template._templates) == template._MOST_TEMPLATES
