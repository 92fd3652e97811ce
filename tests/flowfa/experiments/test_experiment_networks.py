"""E-2 and E-3: LeNet and ResNet-18 under feedback rules, tables 1 and 2."""

from __future__ import annotations

import dataclasses
import json
import os
import signal

import numpy as np
import pytest
import torch
import xarray as xr

from flowfa.cli.main import main
from flowfa.errors import InputError, Interrupted
from flowfa.experiments.image_networks import PAPER, run_study, settings_of, study
from flowfa.experiments.image_networks.images import load_splits, repeat_images
from flowfa.experiments.image_networks.networks import evaluate
from flowfa.experiments.image_networks.report import accuracy_table, write_report
from flowfa.experiments.image_networks.training import make_networks, order, train
from flowfa.experiments.models import lenet, resnet18
from flowfa.machine.device_memory import fitting as fitting_parts
from flowfa.problems.rules import SignFeedbackAlignment
from flowfa.seeds import generator
from flowfa.torch_layers import ChannelLaw, conserved_by_channel, convert
from tests.support.watching import Watch

CLASSES, OF_EACH = 100, 4


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """CIFAR-100 in its binary version: noise with a colour for each class."""
    place = tmp_path_factory.mktemp("data") / "cifar-100-binary"
    place.mkdir()
    random = np.random.default_rng(0)
    fine = np.repeat(np.arange(CLASSES, dtype=np.uint8), OF_EACH)
    colours = random.integers(0, 200, (CLASSES, 3, 1))
    pixels = (colours[fine] + random.integers(0, 56, (len(fine), 3, 1024))).astype(np.uint8)
    columns = [(fine % 20)[:, None], fine[:, None], pixels.reshape(len(fine), -1)]
    content = np.concatenate(columns, axis=1).tobytes()
    for split in ("train", "test"):
        (place / f"{split}.bin").write_bytes(content)
    names = "".join(f"thing_{number}\n" for number in range(CLASSES))
    (place / "fine_label_names.txt").write_text(names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOWFA_DATA", str(place.parent))
        patch.setenv("FLOWFA_CACHE", str(place.parent / "cache"))
        yield place.parent


SMALL = {"classes": (3,), "images": 3, "test_images": 2, "batch": 4, "epochs": 2, "track_every": 1}
SMALL |= {"halve_at": (1,), "weight_decay": 0.01, "dtype": "float64", "repeats": 1}


def small(model="lenet", **changes):
    """Three classes of three images; ResNet-18 on few of them, for it takes long."""
    if model == "resnet18":
        changes = {"model": model, "rules": ("fa",), "classes": (2,), "images": 4, **changes}
    return settings_of("cifar100", "quick", **{**SMALL, **changes})


def trained(settings, only=None):
    networks = make_networks(settings, settings.classes[0], load_splits(settings))
    if only is not None:
        networks = [networks[only]]
    train(settings, settings.classes[0], networks, lambda *where: None)
    return networks


def assert_same(network, other):
    for name, array in network.state().items():
        np.testing.assert_array_equal(array, other.state()[name], err_msg=name)


# --- training -------------------------------------------------------------------------------------


def test_networks_side_by_side_are_those_trained_alone():
    settings = small(rules=("signfa", "fa"), repeats=2)
    together = trained(settings)
    assert [(each.rule, each.repeat) for each in together] == [
        ("signfa", 0),
        ("fa", 0),
        ("signfa", 1),
        ("fa", 1),
    ]
    for place, network in enumerate(together):
        assert_same(network, trained(settings, only=place)[0])
    # A repeat is the same whatever the number of repeats.
    assert_same(together[1], trained(dataclasses.replace(settings, repeats=1, rules=("fa",)))[0])


@pytest.mark.parametrize(
    ("make", "options"), [(lenet, {"padding": 1}), (resnet18, {"stem": "small"})]
)
def test_gd_is_the_plain_model_trained_by_torchs_sgd(make, options):
    """Of ResNet-18 with 16 or more values in each batch norm: few enlarge rounding 10^4 times."""
    settings = small(make.__name__, rules=("gd",), size=16, **options)
    (network,) = trained(settings)
    classes = settings.classes[0]
    images = repeat_images(settings, classes, 0, load_splits(settings))
    seed = int(generator(settings.seed, "network start", classes, 0).integers(2**62))
    model = make(classes, seed=seed, **options).double()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=settings.rate, momentum=0.9, weight_decay=0.01
    )
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, settings.halve_at, gamma=0.5)
    for epoch in range(settings.epochs):
        numbers = order(settings, classes, 0, epoch, len(images.train))
        for begin in range(0, len(numbers), settings.batch):
            chosen = torch.from_numpy(numbers[begin : begin + settings.batch])
            inputs = images.train[chosen].double() / 255.0
            scores = model((inputs - images.mean) / images.deviation)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(scores, images.train_labels[chosen]).backward()
            optimizer.step()
        scheduler.step()
    trained_state = network.model.state_dict()
    for name, theirs in model.state_dict().items():
        torch.testing.assert_close(
            trained_state[name], theirs, rtol=1e-12, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_accuracy_and_loss_are_those_of_all_images():
    (network,) = trained(small(rules=("fa",)))
    inputs, labels = network.images.batch("test", slice(None))
    scores = network.model.eval()(inputs).detach()
    loss, accuracy = evaluate(network, "test")
    assert loss == pytest.approx(
        float(torch.nn.functional.cross_entropy(scores, labels)), rel=1e-12
    )
    assert accuracy == float((scores.argmax(1) == labels).double().mean())
    assert network.records["test_loss"][-1] == loss


def test_repeats_have_images_of_each_class_and_classes_that_larger_n_keep():
    settings = small(classes=(3, 5), repeats=2)
    splits = load_splits(settings)
    few, more = (repeat_images(settings, n, 0, splits) for n in (3, 5))
    assert set(few.class_names) < set(more.class_names)
    assert np.bincount(few.train_labels).tolist() == [3, 3, 3]
    assert np.bincount(few.test_labels).tolist() == [2, 2, 2]
    assert set(few.class_names) != set(repeat_images(settings, 3, 1, splits).class_names)
    inputs = few.batch("train", slice(None))[0]
    np.testing.assert_allclose(inputs.mean((0, 2, 3)), 0.0, atol=1e-12)
    np.testing.assert_allclose(inputs.var((0, 2, 3), correction=0), 1.0, rtol=1e-12)


def test_a_network_that_diverges_stops_none_of_the_others(tmp_path):
    settings = small(rules=("fa", "gd"))
    networks = make_networks(settings, 3, load_splits(settings))
    with torch.no_grad():
        networks[0].model.conv1.weight.fill_(torch.nan)
    networks[0].diverged = -1
    train(settings, 3, networks, lambda *where: None)
    assert networks[0].diverged == 0
    assert np.isnan(networks[0].records["test_accuracy"]).all()
    assert_same(networks[1], trained(settings, only=1)[0])
    data = study.assemble(settings, 3, networks, 1.0)
    data.attrs["title"] = settings.title
    assert accuracy_table(data, "test_accuracy", "").rows[0][1] == "- (1 diverged)"


def test_an_absurd_rate_is_a_result():
    (network,) = trained(small(rules=("fa",), rate=1e200))
    assert network.diverged == 0
    assert np.isfinite(network.records["train_loss"][0])


# --- the law --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["fa", "adafa", "signfa", "frsf", "gd"])
def test_law_under_torchs_sgd_with_momentum_and_weight_decay_is_predicted(rule):
    """The steps are torch's own; each channel's C is measured by `conserved_by_channel`."""
    model = convert(
        lenet(4, padding=1).double(), SignFeedbackAlignment(0.1) if rule == "signfa" else rule
    )
    law, start = ChannelLaw(model, 0.9, 0.01), conserved_by_channel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    random = torch.Generator().manual_seed(0)
    images = torch.randn(12, 3, 8, 8, dtype=torch.float64, generator=random)
    for step in range(12):
        rate = 0.05 if step < 6 else 0.025
        optimizer.param_groups[0]["lr"] = rate
        chosen = torch.randperm(12, generator=random)[:6]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images[chosen]), chosen % 4).backward()
        before = law.terms()
        optimizer.step()
        law.add(before, law.terms(), lambda p: optimizer.state[p]["momentum_buffer"], rate)
    for name, now in conserved_by_channel(model).items():
        change = now - start[name]
        assert change.abs().max() > 1e-4
        predicted = law.steps[name] + law.decay[name]
        torch.testing.assert_close(change, predicted, rtol=1e-10, atol=1e-13)


def test_recorded_drift_of_c_4_is_that_of_the_steps_and_of_weight_decay():
    for network in trained(small(epochs=3)):
        kept = network.records
        change = kept["conserved"] - kept["conserved"][:, :1]
        assert np.abs(change[:, -1]).min() > 1e-5
        assert np.abs(kept["decay_share"][:, -1]).min() > 1e-5
        np.testing.assert_allclose(
            kept["step_share"] + kept["decay_share"], change, rtol=1e-10, atol=1e-12
        )
        assert kept["channel_rest"].max() < 1e-12


def test_law_has_no_decay_share_without_weight_decay_and_a_wrong_decay_is_seen():
    (network,) = trained(small(rules=("fa",), weight_decay=0.0))
    assert not network.records["decay_share"].any()
    # Sensitive: a law told another weight decay leaves a rest.
    settings = small(rules=("fa",))
    (network,) = make_networks(settings, 3, load_splits(settings))
    network.law = ChannelLaw(network.model, settings.momentum, 0.011)
    train(settings, 3, [network], lambda *where: None)
    assert network.records["channel_rest"].max() > 1e-7


# --- stopping and going on ------------------------------------------------------------------------


class Killed(Exception):
    """The process ends here, without a chance to save."""


@pytest.mark.parametrize(
    ("model", "how", "classes"),
    [
        ("lenet", "kill", (2, 3)),
        pytest.param("lenet", "signal", (2, 3), marks=pytest.mark.slow),
        pytest.param("resnet18", "signal", (2,), marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path, model, how, classes):
    settings = small(model, rules=("fa",), classes=classes)
    whole = run_study(settings, tmp_path / "whole", checkpoint_every=1)

    def stop(state):
        if state.share > 0.7:
            if how == "kill":
                raise Killed
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted if how == "signal" else Killed):
        run_study(settings, tmp_path / "cut", checkpoint_every=1, progress=Watch(stop))
    with pytest.raises(InputError, match="`resume=True`"):
        run_study(settings, tmp_path / "cut")
    with pytest.raises(InputError, match="rate = "):
        run_study(dataclasses.replace(settings, rate=0.02), tmp_path / "cut", resume=True)
    done = run_study(settings, tmp_path / "cut", resume=True)
    xr.testing.assert_identical(
        whole.drop_vars("solve_seconds").drop_attrs(), done.drop_vars("solve_seconds").drop_attrs()
    )
    assert not (tmp_path / "cut" / "cifar100.nc.checkpoint").exists()
    if model == "resnet18":
        assert "conserved" not in done
        write_report(done, tmp_path)
        assert "batch norm stands between the layers" in (tmp_path / "report.md").read_text()


# --- result and report ----------------------------------------------------------------------------


def test_command_writes_result_and_report_that_name_model_data_and_scale(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    words = "experiment tiny-imagenet --dataset cifar100 --model lenet --size 20 --rule fa gd"
    words += " --classes 2 3 --images 2 --test-images 2 --repeats 1 --epochs 1 --json"
    assert main(words.split()) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["title"] == (
        "E-3, LeNet on CIFAR-100 at 20 x 20, scale quick, changed: not the paper's numbers"
    )
    text = (tmp_path / "tiny-imagenet" / "report.md").read_text()
    assert "Table 2: accuracy, LeNet on CIFAR-100" in text
    assert "dataset cifar100 (E-3: tiny-imagenet)" in text
    with xr.open_dataset(tmp_path / told["result"], engine="h5netcdf") as data:
        assert data["cosine"].dims == ("classes", "rule", "run", "layer", "epoch")
        assert data.attrs["dataset"] == "cifar100"
    for name in ("learning.png", "alignment-3.png", "law.png", "report.html"):
        assert (tmp_path / "tiny-imagenet" / name).stat().st_size > 1000


def test_paper_scale_is_the_papers():
    e2, e3 = PAPER["cifar100"], PAPER["tiny-imagenet"]
    assert e2.title == "E-2, LeNet on CIFAR-100, scale paper"
    assert e3.title == "E-3, ResNet-18 on Tiny-ImageNet, scale paper"
    rates = [e2.rate * e2.schedule.scale(epoch) for epoch in (0, 99, 100, 249, 250, 499)]
    assert rates == [0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025]
    assert (e3.batch, e3.epochs, e3.halve_at, e3.repeats) == (512, 50, (20, 40), 4)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("cifar100 --classes 101", "--classes asks for 101 classes but cifar100 has 100"),
        ("cifar100 --classes 10 5", "--classes is 10, 5"),
        ("cifar100 --images 5", "--images is 5 a class but the train split of cifar100 has 4"),
        ("cifar100 --model lenett", "unknown --model 'lenett': did you mean 'lenet'"),
        ("cifar100 --dataset mnist", "unknown --dataset 'mnist'"),
        ("cifar100 --rule dfa", "'dfa': did you mean 'fa'?"),
        ("cifar100 --widths 15", "--widths is no setting of cifar100: it belongs to noisy-mnist"),
        ("noisy-mnist --batch 5", "--batch is no setting of noisy-mnist"),
        ("cifar100 --images 2 --test-images 2 --size 8", "images of 8 x 8 pixels are too small"),
        ("cifar100 --halve-at 5 3", "the schedule divides at steps 5, 3"),
        ("tiny-imagenet", "tiny-imagenet is not in"),
        (
            "cifar100 --model resnet18 --classes 3 --images 3 --test-images 1 --batch 4",
            "--batch 4 leaves one of 9 images",
        ),
    ],
)
def test_bad_input_is_told_in_one_line(tmp_path, monkeypatch, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    assert main(["experiment", *words.split(), "--quiet"]) == 64
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert told in lines[0]


@pytest.mark.parametrize(
    ("fitting", "told"),
    [
        (3, "about 3 would fit; choose `repeats=3`"),
        (0, "not even one repeat fits"),
        (9, "should fit"),
    ],
)
def test_too_little_memory_says_how_many_repeats_would_fit(tmp_path, monkeypatch, fitting, told):
    def exhausted(*arguments):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(study, "train", exhausted)
    monkeypatch.setattr(study, "fitting_repeats", lambda *arguments: fitting)
    with pytest.raises(InputError, match=told):
        run_study(small(repeats=4), tmp_path)


def test_repeats_that_fit_are_counted_beside_the_step_of_one_network():
    assert fitting_parts(free=100.0, held=20.0, work=30.0) == 3
    assert fitting_parts(free=100.0, held=20.0, work=110.0) == 0
