"""A sweep file: which cells it has, and what is told of a mistake in it."""

from __future__ import annotations

import time

import pytest

from flowfa.errors import InputError
from flowfa.sweeps import make_plan, read_definition
from flowfa.sweeps.beginning import beginnings
from flowfa.sweeps.definition import parse_definition
from tests.support.own_files import forgotten
from tests.support.sweeps import SETTINGS, small_plan


def definition(**document):
    return parse_definition(document, "s.toml")


def points(**document):
    return list(definition(**document).points())


def test_a_grid_has_every_combination_and_the_last_key_varies_fastest():
    found = points(grid={"leak": [0.1, 0.2], "width": [3, [4, 5]]})
    assert found == [
        {"leak": 0.1, "width": (3,)},
        {"leak": 0.1, "width": (4, 5)},
        {"leak": 0.2, "width": (3,)},
        {"leak": 0.2, "width": (4, 5)},
    ]


def test_a_zip_goes_together_and_a_list_is_as_it_stands():
    zipped = {"samples": [4, 8], "dim": [10, 20]}
    listed = [{"leak": 0.5}, {"leak": 1.0, "bias": "all"}]
    found = points(zip=zipped, list=listed, seeds=2)
    assert len(found) == 2 * 2 * 2
    assert found[0] == {"leak": 0.5, "samples": 4, "dim": 10, "seed": 0}
    assert found[-1] == {"leak": 1.0, "bias": "all", "samples": 8, "dim": 20, "seed": 1}


def test_training_can_be_swept_over_too():
    plan = make_plan(definition(command="train", settings=SETTINGS_OF_TRAINING, grid=GRID))
    assert [plan.settings_of(cell).rate for cell in plan.cells] == [(0.1,), (0.2,)]


SETTINGS_OF_TRAINING = {name: value for name, value in SETTINGS.items() if name != "t_end"}
GRID = {"rate": [0.1, 0.2]}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"grids": {}}, ["unknown key in s.toml", "'grid'"]),
        ({"command": "check"}, ["command in s.toml", "simulate, train"]),
        ({"grid": {"leek": [0.1]}}, ["grid.leek in s.toml", "'leak'"]),
        ({"grid": {"leak": 0.1}}, ["grid.leak in s.toml", "a list"]),
        ({"grid": {"leak": []}}, ["grid.leak in s.toml", "a list"]),
        ({"grid": {"leak": [0.1, "x"]}}, ["grid.leak[1] in s.toml is 'x'", "a number"]),
        ({"grid": {"leak": [0.1, 7.0]}}, ["grid.leak[1] in s.toml is 7"]),
        ({"grid": {"leak": [0.1, 0.1]}}, ["grid.leak[1]", "grid.leak[0] again"]),
        ({"grid": {"out": ["a.nc"]}}, ["grid.out in s.toml", "leave it out"]),
        ({"grid": {"rule": ["fa", "fo"]}}, ["grid.rule[1] in s.toml", "'fo'"]),
        ({"grid": {"loss": ["exponentail"]}}, ["grid.loss[0] in s.toml", "'exponential'"]),
        ({"settings": {"leak": 0.1}, "grid": {"leak": [0.2]}}, ["settings.leak", "grid.leak"]),
        ({"settings": {"seed": 1}, "seeds": 2}, ["settings.seed", "seeds"]),
        ({"zip": {"samples": [1, 2], "dim": [3]}}, ["zip.samples has 2", "zip.dim has 1"]),
        ({"list": [{"leak": 0.1}, {"t_end": -1.0}]}, ["list[1].t_end in s.toml is -1"]),
        ({"list": {"leak": 0.1}}, ["list in s.toml", "[[list]]"]),
        ({"seeds": 0}, ["seeds in s.toml is 0"]),
        ({"seeds": [1, -1]}, ["seeds[1] in s.toml is -1"]),
        ({"settings": {}}, ["sweeps over nothing"]),
        ({"grid": {"init": ["aligned", "gaussian"]}}, ["grid.init[1] in s.toml", "'gaussian'"]),
        ({"grid": {"dataset": ["gausian"]}}, ["grid.dataset[0] in s.toml", "'gaussian'"]),
        ({"grid": {"dataset": ["gaussian", "no.npz"]}}, ["grid.dataset[1] in s.toml", "no file"]),
        ({"settings": {"init": "no.npz"}, "seeds": 1}, ["settings.init in s.toml", "no file"]),
        ({"settings": {"import": ["no.py"]}}, ["settings.import in s.toml", "no file no.py"]),
        ({"grid": {"solver": ["auto", "bosh4"]}}, ["grid.solver[1] in s.toml", "'bosh3'"]),
        ({"grid": {"observe": [["sharpnes"]]}}, ["grid.observe[0] in s.toml", "'sharpness'"]),
        (
            {"command": "train", "grid": {"schedule": ["constant", "2@x"]}},
            ["grid.schedule[1] in s.toml", "'2@x'"],
        ),
        ({"seeds": 10**11}, ["seeds in s.toml is 100000000000", "at most 1,000,000 cells"]),
        ({"seeds": "a"}, ["seeds in s.toml is 'a'", "a number N", "list of seeds"]),
        ({"seeds": True}, ["seeds in s.toml is True", "a number N", "list of seeds"]),
        ({"seeds": [10**22]}, ["seeds[0] in s.toml", "expected at most 9223372036854775807"]),
        (
            {"settings": {"bias": True}, "seeds": 1},
            ["settings.bias in s.toml", "hidden, all"],
        ),
        ({"settings": {"init": True}, "seeds": 1}, ["settings.init in s.toml", "aligned"]),
        ({"list": [{}]}, ["sweeps over nothing"]),
        ({"checkpoint_every": 0, "seeds": 1}, ["checkpoint_every in s.toml is 0"]),
    ],
)
def test_a_mistake_is_told_with_its_place_in_the_file(document, told):
    with pytest.raises(InputError) as error:
        definition(**document)
    assert all(part in str(error.value) for part in told), str(error.value)


def test_ten_thousand_seeds_are_compared_with_each_other_quickly():
    start = time.process_time()
    assert definition(seeds=10_000).count == 10_000
    assert time.process_time() - start < 3.0


def test_settings_of_a_cell_that_do_not_agree_name_the_cell():
    with pytest.raises(InputError, match=r"s.toml, the cell leak = 1: .*smooth_kinks"):
        make_plan(definition(settings={"smooth_kinks": 0.1}, grid={"leak": [0.5, 1.0]}))


def test_a_sweep_of_which_no_cell_can_begin_is_refused_and_one_with_a_bad_cell_is_not():
    with pytest.raises(InputError, match=r"no cell of s.toml can begin: `layer_rates` has 3"):
        rates = {"layer_rates": [1.0, 2.0, 3.0]}
        make_plan(definition(settings=rates, grid={"leak": [0.5, 1.0]}))
    assert len(make_plan(definition(settings={"samples": 4}, grid=HALF)).cells) == 4


HALF = {"width": [5, [5, 5]], "layer_rates": [[1.0, 2.0], [1.0, 2.0, 3.0]]}
"""Of these four cells two cannot begin."""


def test_cells_that_cannot_begin_are_found_without_computing_them():
    plan = make_plan(definition(settings={"samples": 4}, grid=HALF, seeds=2))
    found = beginnings(plan)
    assert (len(found.able), len(found.unable), found.untried) == (4, 4, 0)
    cell, why = found.unable[0]
    assert cell.title == "width = 5, layer_rates = 1-2-3, seed = 0"
    assert why == "`layer_rates` has 3 numbers for 2 layers: give one for all or one for each"
    out_of_time = beginnings(plan, longest=0.0)
    assert (len(out_of_time.able), out_of_time.tried, out_of_time.untried) == (8, 0, 8)


def test_a_solver_that_lacks_its_step_cannot_begin():
    plan = make_plan(definition(settings={"samples": 4}, grid={"solver": ["euler", "bosh3"]}))
    ((cell, why),) = beginnings(plan).unable
    assert cell.swept == {"solver": "euler"} and "step=H" in why


def test_a_word_may_name_a_family_of_solvers_or_a_file_that_is_there(tmp_path):
    (tmp_path / "w.npz").touch()
    words = {"solver": ["auto", "torchdiffeq:dopri5"], "init": [str(tmp_path / "w.npz")]}
    assert definition(grid=words).count == 2


def test_a_file_is_read_and_a_broken_one_is_told(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text("seeds = 3\n[grid]\nleak = [0.1, 0.2]\n")
    assert read_definition(file).count == 6
    file.write_text("seeds = = 3")
    with pytest.raises(InputError, match="is not TOML"):
        read_definition(file)


def test_a_digest_depends_on_every_number_and_on_the_code(monkeypatch, tmp_path):
    first, again = small_plan(), small_plan()
    assert [cell.digest for cell in first.cells] == [cell.digest for cell in again.cells]
    assert len({cell.digest for cell in first.cells}) == 4
    other = small_plan(settings={**SETTINGS, "rtol": 1e-5})
    checked = small_plan(check=True)
    monkeypatch.setattr("flowfa.sweeps.plan.code_digest", lambda check: "other")
    recoded = small_plan()
    for plan in (other, checked, recoded):
        assert not {c.digest for c in plan.cells} & {c.digest for c in first.cells}


def test_a_digest_depends_on_what_is_in_a_file_of_data(tmp_path):
    import numpy as np

    def digests(number):
        np.savez(tmp_path / f"{number}.npz", X=np.eye(3) * number, y=np.array([1.0, -1.0, 1.0]))
        (tmp_path / f"{number}.npz").replace(tmp_path / "data.npz")
        document = {
            "settings": {"dataset": str(tmp_path / "data.npz")},
            "grid": {"leak": [0.5, 1.0]},
        }
        return [c.digest for c in make_plan(parse_definition(document, "s.toml")).cells]

    assert digests(1.0) == digests(1.0)
    assert not set(digests(1.0)) & set(digests(2.0))


@pytest.mark.parametrize("table", ["grid", "zip", "list"])
def test_own_code_may_be_named_beside_what_it_registers(table, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from flowfa.problems.starts import STARTS\nSTARTS.register('mine')(object)\n")
    point = {"import": [str(file)], "init": "mine"}
    document = [point] if table == "list" else {key: [value] for key, value in point.items()}
    with forgotten():
        ((found,),) = [points(**{table: document})]
    assert found == {"import_": (str(file),), "init": "mine"}
    with pytest.raises(InputError, match="unknown start 'mine'"):
        definition(grid={"init": ["mine"]})
