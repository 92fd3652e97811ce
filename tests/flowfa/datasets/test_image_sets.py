"""Image sets as data: subsets, label noise, pixels, and runs on them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from flowfa import datasets
from flowfa.cli.main import main
from flowfa.datasets import ImageSet
from flowfa.datasets.images import (
    NOISE_KINDS,
    channel_statistics,
    choose,
    normalised,
    resized,
    with_label_noise,
)
from flowfa.errors import InputError
from tests.support.image_files import pixels, write_cifar, write_mnist, write_tiny

pytestmark = pytest.mark.usefixtures("folder")


def small_set(count=400, classes=8, name="small"):
    labels = np.random.default_rng(1).integers(0, classes, count)
    return ImageSet(pixels(count, 1, 2, 2), labels, tuple("abcdefgh"[:classes]), name)


def shuffled(images):
    order = np.random.default_rng(5).permutation(len(images))
    return ImageSet(
        images.images[order],
        images.labels[order],
        images.class_names,
        images.name,
        images.split,
        images.places[order],
    )


def test_subsets_are_a_function_of_the_seed_and_not_of_the_order():
    images = small_set()
    first = choose(images, 50, random_classes=3, seed=4)
    for again in (choose(images, 50, random_classes=3, seed=4), shuffled(images)):
        again = choose(again, 50, random_classes=3, seed=4)
        np.testing.assert_array_equal(again.places, first.places)
        np.testing.assert_array_equal(again.images, first.images)
        np.testing.assert_array_equal(again.labels, first.labels)
    assert not np.array_equal(choose(images, 50, random_classes=3, seed=5).places, first.places)
    np.testing.assert_array_equal(first.images, images.images[first.places])


def test_both_splits_have_the_same_random_classes_and_other_images():
    images = small_set()
    test = ImageSet(images.images, images.labels, images.class_names, images.name, "test")
    one, other = (choose(each, 50, random_classes=3, seed=4) for each in (images, test))
    assert one.class_names == other.class_names
    assert not np.array_equal(one.places, other.places)


def test_more_samples_contain_fewer_and_classes_keep_the_given_order():
    images = small_set()
    few, many = (choose(images, k, classes=(5, 2), seed=1) for k in (20, 60))
    assert set(few.places) < set(many.places)
    assert few.class_names == ("f", "c")
    np.testing.assert_array_equal(few.labels, np.where(images.labels[few.places] == 5, 0, 1))


def test_every_image_is_as_likely_as_any_other():
    images = small_set(20, 2)
    counts = Counter(n for seed in range(600) for n in choose(images, 5, seed=seed).places.tolist())
    # Each count is binomial (600, 1/4): 150 +- 10.6; five deviations either way.
    assert len(counts) == 20
    assert max(abs(count - 150) for count in counts.values()) < 53


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_label_noise_hits_the_same_images_whatever_their_order(kind):
    images = small_set()
    noisy = with_label_noise(images, 0.25, kind, seed=3)
    mixed = with_label_noise(shuffled(images), 0.25, kind, seed=3)
    np.testing.assert_array_equal(mixed.labels, noisy.labels[mixed.places])
    hit = noisy.labels != images.labels
    more = with_label_noise(images, 0.5, kind, seed=3).labels != images.labels
    assert (more[hit]).all()
    if kind != "uniform":
        assert hit.sum() == 100
    np.testing.assert_array_equal(with_label_noise(images, 0.0, kind).labels, images.labels)


def test_kinds_of_label_noise_have_the_laws_they_are_named_for():
    images = small_set(8000, 4)
    shift = {
        kind: (with_label_noise(images, 1.0, kind).labels - images.labels) % 4
        for kind in NOISE_KINDS
    }
    share = {kind: np.bincount(each, minlength=4) / 8000 for kind, each in shift.items()}
    # The deviation of a share is at most 0.0056: five of them.
    np.testing.assert_allclose(share["uniform-other"], [0.0, 1 / 3, 1 / 3, 1 / 3], atol=0.028)
    assert share["uniform-other"][0] == 0.0
    np.testing.assert_allclose(share["uniform"], 0.25, atol=0.028)
    np.testing.assert_array_equal(share["pair-flip"], [0.0, 1.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"samples": 401}, r"`samples` is 401 but small \(train\) has 400 images: ask"),
        ({"samples": 300, "classes": (0, 1)}, "images in 2 classes: ask for at most"),
        ({"samples": 0}, "`samples` is 0"),
        ({"random_classes": 9}, "`random_classes` is 9: expected at most the 8 classes of small"),
        ({"random_classes": 1}, "`random_classes` is 1"),
        ({"classes": (0, 8)}, r"`classes` are \[0, 8\]: .* 0 to 7"),
        ({"classes": (1, 1)}, "two or more different"),
        ({"classes": (1, 2), "random_classes": 2}, "both given"),
    ],
)
def test_more_than_there_is_is_refused(arguments, told):
    with pytest.raises(InputError, match=told):
        choose(small_set(), **arguments)


def test_area_resize_takes_means_and_enlarging_interpolates():
    ramp = np.arange(64, dtype=np.uint8).reshape(1, 1, 8, 8) * 4
    images = ImageSet(ramp, np.zeros(1, np.int64), ("a",))
    expected = ramp.reshape(4, 2, 4, 2).mean((1, 3))
    np.testing.assert_allclose(resized(images, 4).images[0, 0], expected, atol=0.5)
    assert resized(images, 8) is images
    assert resized(images, 16).images.shape == (1, 1, 16, 16)
    with pytest.raises(InputError, match="`size` is 0"):
        resized(images, 0)


def test_normalised_pixels_have_mean_zero_and_deviation_one():
    images = ImageSet(pixels(9, 3, 5, 4), np.zeros(9, np.int64), ("a",))
    plain = images.images / 255.0
    mean, deviation = channel_statistics(images)
    np.testing.assert_allclose(mean, plain.mean((0, 2, 3)), rtol=1e-13)
    np.testing.assert_allclose(deviation, plain.std((0, 2, 3)), rtol=1e-12)
    X = normalised(images, mean, deviation)
    np.testing.assert_allclose(X, (plain - mean[:, None, None]) / deviation[:, None, None], 1e-12)
    assert normalised(images, dtype=np.float32).dtype == np.float32
    with pytest.raises(InputError, match="is constant"):
        normalised(images, mean, np.zeros(3))


# --- as data sets ---------------------------------------------------------------------------------


def write_all(folder):
    write_mnist(folder)
    write_cifar(folder, packed=True)
    write_tiny(folder, packed=True)


@pytest.mark.parametrize("name", datasets.IMAGE_SETS)
def test_image_sets_are_data_sets_like_others(folder, name):
    write_all(folder)
    options = {"samples": 12, "label_noise": 0.5, "size": 4}
    first, again = (datasets.make(name, seed=4, **options) for _ in range(2))
    assert first.digest() == again.digest()
    assert first.digest() != datasets.make(name, seed=5, **options).digest()
    assert datasets.make(first.name, **first.origin).digest() == first.digest()
    assert first.dim == (16 if name == "mnist" else 48)
    assert 0.0 <= first.X.min() < first.X.max() <= 1.0
    few, many = (datasets.per_trajectory(name, k, seed=1, **options) for k in (2, 4))
    np.testing.assert_array_equal(few.X, many.X[:2])


def test_two_classes_give_signs_and_more_give_numbers(folder):
    images, labels = write_mnist(folder)
    pair = datasets.make("mnist", seed=0, classes=(3, 8))
    assert pair.label_kind == "binary"
    assert pair.samples == np.isin(labels, (3, 8)).sum()
    own = {tuple(x): y for x, y in zip(images.reshape(40, -1) / 255.0, labels, strict=True)}
    assert [own[tuple(x)] for x in pair.X] == [3 if y < 0 else 8 for y in pair.y]
    assert datasets.make("mnist", seed=0, random_classes=3).classes == 3


@pytest.mark.parametrize("name", datasets.IMAGE_SETS)
def test_simulate_runs_on_images(folder, name, capsys):
    write_all(folder)
    classes = "0 1" if name == "tiny-imagenet" else "0 3"
    line = f"simulate --dataset {name} --samples 4 --classes {classes} --size 3 --label-noise 0.3"
    rest = "--trajectories 1 --width 3 --t-end 0.1 --solver dopri5 --no-check --plot none --quiet"
    assert main([*line.split(), *rest.split()]) == 0


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ("simulate --dataset mnist --samples 41", "has 40 images"),
        ("simulate --dataset mnist --random-classes 11", "at most the 10 classes"),
        ("simulate --dataset mnist --random-classes 1", "--random-classes is 1"),
        ("simulate --dataset mnist --size 0", "--size is 0"),
        ("simulate --dataset mnist --noise-kind pairflip", "did you mean 'pair-flip'"),
        ("simulate --dataset mnist --split val", "unknown split 'val'"),
        ("simulate --dataset mnist --data-dir absent", "the data folder is 'absent'"),
        ("simulate --dataset gaussian --size 3", "no option --size"),
        ("data fetch minst", "did you mean 'mnist'"),
        ("data fetch mnist --data-dir absent", "'absent', which is no folder"),
    ],
)
def test_bad_requests_end_with_64_and_one_line(folder, capsys, line, fragment):
    write_mnist(folder)
    assert main(line.split()) == 64
    shown = capsys.readouterr().err
    assert fragment in shown
    assert shown.count("\n") == 1
