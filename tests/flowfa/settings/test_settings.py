"""Settings: their limits, and reading them from TOML."""

import dataclasses
import inspect
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowfa.errors import InputError
from flowfa.settings import (
    PRESENTATION_KEYS,
    RESULT_KEYS,
    ProblemFlags,
    SimulateSettings,
    from_toml,
    validate,
)

FIELDS = dataclasses.fields(SimulateSettings)


def changed(**settings):
    return dataclasses.replace(SimulateSettings(), **settings)


def test_the_defaults_are_valid():
    validate(SimulateSettings())


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"rule": ()}, "--rule has no name"),
        ({"rule": ("fa", "fa")}, "--rule has fa twice"),
        ({"width": ()}, "--width has no number"),
        ({"width": (0,)}, "--width is 0: expected a whole number of at least 1"),
        ({"width": (10, -3)}, "--width is -3"),
        ({"trajectories": 0}, "--trajectories is 0"),
        ({"seed": -1}, "--seed is -1"),
        ({"seed": 2**63}, "--seed is 9223372036854775808"),
        ({"samples": 0}, "--samples is 0"),
        ({"dim": 0}, "--dim is 0"),
        ({"gamma": 0.0}, "--gamma is 0.0: expected a positive finite number"),
        ({"lambda_": -1.0}, "--lambda is -1.0"),
        ({"label_noise": 1.5}, "--label-noise is 1.5"),
        ({"classes": (3,)}, "--classes has 1 class(es): give two or more"),
        ({"classes": (3, 3)}, "--classes has 3 twice"),
        ({"classes": (-1, 3)}, "--classes is -1"),
        ({"leak": -0.1}, "--leak is -0.1: expected a slope between 0 (ReLU) and 1"),
        ({"leak": 1.1}, "--leak is 1.1"),
        ({"bias": "hiden"}, "did you mean 'hidden'?"),
        ({"init_scale": 0.0}, "--init-scale is 0.0"),
        ({"signfa_scale": "0"}, "--signfa-scale is 0"),
        ({"signfa_scale": "xaver"}, "--signfa-scale is xaver"),
        ({"t_end": 0.0}, "--t-end is 0.0"),
        ({"t_end": -5.0}, "--t-end is -5.0"),
        ({"rtol": 0.0}, "--rtol is 0.0"),
        ({"rtol": -1e-6}, "--rtol is -1e-06"),
        ({"atol": 0.0}, "--atol is 0.0"),
        ({"step": 0.0}, "--step is 0.0"),
        ({"controller": "pid"}, "did you mean 'pi'?"),
        ({"max_steps": 0}, "--max-steps is 0"),
        ({"save": 1}, "--save is 1: expected a whole number of at least 2"),
        ({"snapshots": 1}, "--snapshots is 1"),
        ({"save": 4, "snapshots": 5}, "--snapshots is 5 but --save is 4"),
        ({"spacing": "liner"}, "did you mean 'linear'?"),
        ({"dtype": "float46"}, "did you mean 'float64'?"),
        ({"threads": 0}, "--threads is 0"),
        ({"out": ""}, "--out is ''"),
        ({"plot": "figure.jpg"}, "--plot is 'figure.jpg': expected a name that ends in .png"),
        ({"out": "run.png", "plot": "run.png"}, "--plot and --out are both run.png"),
        ({"checkpoint_every": 0.0}, "--checkpoint-every is 0.0"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_its_flag(settings, fragment):
    with pytest.raises(InputError) as caught:
        validate(changed(**settings))
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", [f.name for f in FIELDS if re.search(r"\bfloat\b", str(f.type))])
def test_a_number_that_is_not_finite_is_refused_everywhere(name, value):
    with pytest.raises(InputError, match=r"nan|inf"):
        validate(changed(**{name: value}))


@given(st.floats(min_value=0.0, max_value=1.0))
def test_every_leak_between_relu_and_linear_is_accepted(leak):
    validate(changed(leak=leak))


@pytest.mark.parametrize("scale", ["1", "0.5", "2e-3", "xavier"])
def test_a_scale_of_signfa_is_a_positive_number_or_xavier(scale):
    validate(changed(signfa_scale=scale))


def test_every_key_is_either_one_of_the_result_or_of_its_presentation():
    keys = set(SimulateSettings().to_json_dict())
    assert set(RESULT_KEYS) | set(PRESENTATION_KEYS) == keys
    assert not set(RESULT_KEYS) & set(PRESENTATION_KEYS)


def test_the_json_form_has_lists_and_the_keys_of_the_flags():
    found = changed(rule=("gd", "fa"), lambda_=0.5).to_json_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["rule"] == ["gd", "fa"]
    assert found["lambda"] == 0.5


@pytest.mark.parametrize(
    ("settings", "figure"),
    [
        ({"out": "a/b.nc"}, "a/b.png"),
        ({"plot": "c.pdf"}, "c.pdf"),
        ({"plot": "none"}, None),
    ],
)
def test_the_figure_is_beside_the_run_unless_said_otherwise(settings, figure):
    found = changed(**settings).figure
    assert (found if found is None else str(found)) == figure


def test_every_field_has_help_of_its_own():
    # A class docstring and then one after each field, read from the source as tyro does.
    source = inspect.getsource(ProblemFlags) + inspect.getsource(SimulateSettings)
    for field in FIELDS:
        after = source.split(f"\n    {field.name}: ", 1)[1].split("\n", 1)[1]
        assert after.lstrip().startswith('"""'), field.name


# --- TOML -------------------------------------------------------------------------------------


def written(folder, text):
    path = folder / "run.toml"
    path.write_text(text)
    return path


def test_keys_are_the_flags_with_hyphens_or_underscores(tmp_path):
    path = written(
        tmp_path,
        'rule = ["gd", "fa"]\nwidth = [64, 32]\nt-end = 5\nmax_steps = 10\nlambda = 0.5\n'
        'classes = [3, 8]\nquiet = true\nsignfa-scale = 2\ninit = "xavier"\n',
    )
    assert from_toml(path) == {
        "rule": ("gd", "fa"),
        "width": (64, 32),
        "t_end": 5.0,
        "max_steps": 10,
        "lambda_": 0.5,
        "classes": (3, 8),
        "quiet": True,
        "signfa_scale": "2",
        "init": "xavier",
    }


def test_one_value_stands_for_a_list_of_one(tmp_path):
    assert from_toml(written(tmp_path, 'rule = "gd"\nwidth = 7\n')) == {
        "rule": ("gd",),
        "width": (7,),
    }


def test_what_is_written_as_json_can_be_read_as_toml(tmp_path):
    settings = changed(rule=("gd",), gamma=3.0, classes=(1, 2)).to_json_dict()
    del settings["config"]
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items() if value is not None]
    found = from_toml(written(tmp_path, "\n".join(lines)))
    assert changed(**found) == changed(rule=("gd",), gamma=3.0, classes=(1, 2))


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("t-end = \n", "(at line 1, column"),
        ("rule = 'fa'\nt-end 5\n", "(at line 2, column"),
        ("tend = 5\n", "'tend': did you mean 't-end'?"),
        ("config = 'x.toml'\n", "unknown key"),
        ("[simulate]\nt-end = 5\n", "unknown key"),
        ("t-end = 1\nt_end = 2\n", "twice"),
        ("t-end = 'long'\n", "t-end in "),
        ("t-end = true\n", "expected a number"),
        ("samples = 3.5\n", "expected a whole number"),
        ("samples = true\n", "expected a whole number"),
        ("width = [10, 'x']\n", "expected a whole number or a list of them"),
        ("width = [[10]]\n", "expected a whole number or a list of them"),
        ("rule = [1]\n", "expected a text or a list of them"),
        ("quiet = 1\n", "expected true or false"),
        ("dataset = 5\n", "expected a text"),
        ("signfa-scale = true\n", "expected a text"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_place(tmp_path, text, fragment):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        from_toml(path)
    assert fragment in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        from_toml(tmp_path / "absent.toml")


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a directory"):
        from_toml(tmp_path)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        from_toml(path)
