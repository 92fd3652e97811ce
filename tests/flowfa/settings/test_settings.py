"""Settings: their limits, and reading them from TOML."""

import dataclasses
import inspect
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowfa.datasets.images import NOISE_KINDS
from flowfa.errors import InputError
from flowfa.experiments.models.resnet import STEMS
from flowfa.machine.device import DTYPES
from flowfa.plots.saving import FORMATS
from flowfa.settings import (
    DeviationStudySettings,
    FlowSettings,
    ProblemSettings,
    SimulateSettings,
    StartsSettings,
    StorageSettings,
    TrainingSettings,
    TrainSettings,
    chosen,
    declarations,
    from_toml,
    to_json_dict,
    valid,
    validated,
)
from flowfa.settings.experiment import ExperimentFlags, ImageNetworkNumbers, NoisyMnistNumbers
from flowfa.settings.output import FIGURE_FORMATS

FIELDS = dataclasses.fields(SimulateSettings)


def changed(**settings):
    return dataclasses.replace(SimulateSettings(), **settings)


GROUPS = (SimulateSettings, TrainSettings, DeviationStudySettings, NoisyMnistNumbers)


@pytest.mark.parametrize("group", [*GROUPS, ImageNetworkNumbers])
def test_the_defaults_are_valid(group):
    assert validated(group()) == group()


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"rule": ()}, "`rule` has no name"),
        ({"rule": ("fa", "fa")}, "`rule` has fa twice"),
        ({"width": ()}, "`width` has no number"),
        ({"width": (0,)}, "`width` is 0: expected a whole number of at least 1"),
        ({"width": (10, -3)}, "`width` is -3"),
        ({"trajectories": 0}, "`trajectories` is 0"),
        ({"seed": -1}, "`seed` is -1"),
        ({"seed": 2**63}, "`seed` is 9223372036854775808"),
        ({"samples": 0}, "`samples` is 0"),
        ({"dim": 0}, "`dim` is 0"),
        ({"gamma": 0.0}, "`gamma` is 0.0: expected a positive finite number"),
        ({"lambda_": -1.0}, "`lambda_` is -1.0"),
        ({"label_noise": 1.5}, "`label_noise` is 1.5"),
        ({"classes": (3,)}, "`classes` has 1 class(es): give two or more"),
        ({"classes": (3, 3)}, "`classes` has 3 twice"),
        ({"classes": (-1, 3)}, "`classes` is -1"),
        ({"leak": -0.1}, "`leak` is -0.1: expected a slope between 0 (ReLU) and 1"),
        ({"leak": 1.1}, "`leak` is 1.1"),
        ({"bias": "hiden"}, "did you mean 'hidden'?"),
        ({"init_scale": 0.0}, "`init_scale` is 0.0"),
        ({"signfa_scale": 0.0}, "`signfa_scale` is 0.0"),
        ({"signfa_scale": "xaver"}, "`signfa_scale` is 'xaver': expected a number or 'xavier'"),
        ({"t_end": 0.0}, "`t_end` is 0.0"),
        ({"t_end": -5.0}, "`t_end` is -5.0"),
        ({"rtol": 0.0}, "`rtol` is 0.0"),
        ({"rtol": -1e-6}, "`rtol` is -1e-06"),
        ({"atol": 0.0}, "`atol` is 0.0"),
        ({"step": 0.0}, "`step` is 0.0"),
        ({"controller": "pid"}, "did you mean 'pi'?"),
        ({"max_steps": 0}, "`max_steps` is 0"),
        ({"save": 1}, "`save` is 1: expected a whole number of at least 2"),
        ({"snapshots": 1}, "`snapshots` is 1"),
        ({"save": 4, "snapshots": 5}, "`snapshots` is 5 but `save` is 4"),
        ({"spacing": "liner"}, "did you mean 'linear'?"),
        ({"dtype": "float46"}, "did you mean 'float64'?"),
        ({"threads": 0}, "`threads` is 0"),
        ({"out": ""}, "`out` is ''"),
        ({"plot": "figure.jpg"}, "`plot` is 'figure.jpg': expected a name that ends in .png"),
        ({"out": "run.png", "plot": "run.png"}, "`plot` and `out` are both run.png"),
        ({"checkpoint_every": 0.0}, "`checkpoint_every` is 0.0"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_its_name(settings, fragment):
    with pytest.raises(InputError) as caught:
        validated(changed(**settings))
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", [f.name for f in FIELDS if re.search(r"\bfloat\b", str(f.type))])
def test_a_number_that_is_not_finite_is_refused_everywhere(name, value):
    with pytest.raises(InputError, match=r"nan|inf"):
        validated(changed(**{name: value}))


@given(st.floats(min_value=0.0, max_value=1.0))
def test_every_leak_between_relu_and_linear_is_accepted(leak):
    validated(changed(leak=leak))


@pytest.mark.parametrize("scale", [1, 0.5, 2e-3, "xavier"])
def test_a_scale_of_signfa_is_a_positive_number_or_xavier(scale):
    assert validated(changed(signfa_scale=scale)).signfa_scale == scale


def test_the_json_form_has_lists_and_the_keys_of_the_flags():
    found = to_json_dict(changed(rule=("gd", "fa"), lambda_=0.5))
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


@pytest.mark.parametrize("group", GROUPS[:3])
def test_every_setting_has_help_of_its_own(group):
    # A docstring after each field, read from the source as tyro does.
    sources = [inspect.getsource(base) for base in group.__mro__ if base is not object]
    for name in declarations(group):
        own = next(source for source in sources if f"\n    {name}: " in source)
        after = own.split(f"\n    {name}: ", 1)[1]
        following = re.split(r"\n    (?=[^\s)\]])", after)[1]
        assert following.startswith('"""'), name


def test_each_setting_is_declared_once():
    """Of the groups of a command no two declare a setting; rules may have another default."""
    for group in (SimulateSettings, TrainSettings, DeviationStudySettings):
        declaring: dict[str, list[type]] = {}
        for base in group.__mro__:
            for name in vars(base).get("__annotations__", {}):
                declaring.setdefault(name, []).append(base)
        twice = {name for name, bases in declaring.items() if len(bases) > 1}
        assert twice <= {"rule"}, group


@pytest.mark.parametrize(
    ("group", "name", "words"),
    [
        (NoisyMnistNumbers, "noise_kind", NOISE_KINDS),
        (ImageNetworkNumbers, "stem", STEMS),
        (FlowSettings, "dtype", DTYPES),
    ],
)
def test_words_that_the_library_knows_are_those_of_the_setting(group, name, words):
    for word in words:
        assert valid(group, name, word) == word
    with pytest.raises(InputError, match=f"known: {', '.join(sorted(words))}$"):
        valid(group, name, "none of them")


def test_a_figure_has_a_format_that_plots_can_write():
    assert {ending.removeprefix(".") for ending in FIGURE_FORMATS} == set(FORMATS)


# --- what the library is given ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "name", "value", "taken"),
    [
        (FlowSettings, "t_end", 5, 5.0),
        (FlowSettings, "t_end", np.float32(0.5), 0.5),
        (FlowSettings, "rtol", np.float64(1e-5), 1e-5),
        (FlowSettings, "save", np.int64(7), 7),
        (FlowSettings, "t_end", np.array(3.0), 3.0),
        (StartsSettings, "trajectories", np.uint8(3), 3),
        (StorageSettings, "resume", np.bool_(True), True),
        (TrainingSettings, "rate", 0.1, (0.1,)),
        (TrainingSettings, "rate", [1, 2], (1.0, 2.0)),
        (TrainingSettings, "rate", np.array([0.5, 0.25]), (0.5, 0.25)),
        (ProblemSettings, "width", 5, (5,)),
        (ProblemSettings, "width", range(3, 5), (3, 4)),
        (FlowSettings, "atol", None, None),
    ],
)
def test_numbers_of_any_library_are_taken_as_pythons(group, name, value, taken):
    found = valid(group, name, value)
    assert found == taken
    assert type(found) is type(taken)


@pytest.mark.parametrize(
    ("group", "name", "value", "told"),
    [
        (FlowSettings, "t_end", "10", "`t_end` is '10': expected a number"),
        (FlowSettings, "save", 1, "`save` is 1: expected a whole number of at least 2"),
        (FlowSettings, "save", 2.0, "`save` is 2.0: expected a whole number"),
        (FlowSettings, "rtol", True, "`rtol` is True: expected a number"),
        (FlowSettings, "solver", None, "`solver` is None: expected a text; leave it out for its"),
        (FlowSettings, "solver", 5, "`solver` is 5: expected a text"),
        (StartsSettings, "trajectories", "8", "`trajectories` is '8': expected a whole number"),
        (StartsSettings, "trajectories", True, "`trajectories` is True: expected a whole number"),
        (StorageSettings, "resume", 1, "`resume` is 1: expected true or false"),
        (TrainingSettings, "rate", (), "`rate` has no number"),
        (TrainingSettings, "rate", (0.1, 0.1), "`rate` has 0.1 twice"),
        (TrainingSettings, "rate", "0.1", "expected a number or a list of them"),
        (TrainingSettings, "momentum", 1.0, "`momentum` is 1.0: expected a number from 0 to below"),
        (NoisyMnistNumbers, "widths", (7, 4), "`widths` is 7, 4: expected increasing numbers"),
    ],
)
def test_a_slip_is_answered_by_one_line(group, name, value, told):
    with pytest.raises(InputError) as caught:
        valid(group, name, value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("group", "values", "told"),
    [
        (TrainingSettings, {"steps": 10, "t_end": 3.0}, "give one of them"),
        (TrainingSettings, {"rate": (0.1, 0.2), "t_end": 1.0, "keep_every_step": True}, "one rate"),
        (FlowSettings, {"dtype": "float32", "rtol": 1e-9}, "finer than float32"),
        (FlowSettings, {"snapshots": 300}, "`snapshots` is 300 but `save` is 200"),
        (TrainSettings, {"snapshots": 300}, "`snapshots` is 300 but `save` is 200"),
        (ProblemSettings, {"leak": 1.0, "smooth_kinks": 0.1}, "which has no kinks"),
        (DeviationStudySettings, {"widths": (5,), "width": (5,)}, "give one of them"),
        (DeviationStudySettings, {"rates": (60.0,)}, "no step fits"),
        (DeviationStudySettings, {"leak": 1.0, "smooth_kinks": 0.1}, "which has no kinks"),
        (ExperimentFlags, {"name": "cifar100", "widths": (5,)}, "is no setting of cifar100"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(group, values, told):
    with pytest.raises(InputError, match=told):
        validated(group(**values))


def test_a_group_is_chosen_from_the_arguments_of_a_call():
    arguments = dataclasses.asdict(FlowSettings()) | {"save": np.int64(9), "problem": object()}
    assert chosen(FlowSettings, arguments) == FlowSettings(save=9)


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
    assert from_toml(path, SimulateSettings) == {
        "rule": ("gd", "fa"),
        "width": (64, 32),
        "t_end": 5.0,
        "max_steps": 10,
        "lambda_": 0.5,
        "classes": (3, 8),
        "quiet": True,
        "signfa_scale": 2.0,
        "init": "xavier",
    }


def test_one_value_stands_for_a_list_of_one(tmp_path):
    assert from_toml(written(tmp_path, 'rule = "gd"\nwidth = 7\n'), SimulateSettings) == {
        "rule": ("gd",),
        "width": (7,),
    }


def test_what_is_written_as_json_can_be_read_as_toml(tmp_path):
    settings = to_json_dict(changed(rule=("gd",), gamma=3.0, classes=(1, 2)))
    del settings["config"]
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items() if value is not None]
    found = from_toml(written(tmp_path, "\n".join(lines)), SimulateSettings)
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
        ("signfa-scale = true\n", "expected a number or 'xavier'"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_place(tmp_path, text, fragment):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        from_toml(path, SimulateSettings)
    assert fragment in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        from_toml(tmp_path / "absent.toml", SimulateSettings)


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a directory"):
        from_toml(tmp_path, SimulateSettings)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        from_toml(path, SimulateSettings)
