"""Generators: they keep what they promise, exactly, and refuse what cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import flowfa
from flowfa import datasets
from flowfa.datasets import Dataset, certify
from flowfa.datasets.mixture import wrong_labels
from flowfa.errors import InputError

SMALL = {
    "nearly-orthogonal": {"samples": 5, "dim": 9},
    "orthogonally-separable": {"samples": 5, "dim": 4},
    "gaussian": {"samples": 5, "dim": 4},
    "mixture": {"samples": 10, "dim": 3},
    "digits": {"samples": 20},
}

# Image sets need files: tests/support/image_files.py makes some.
GENERATED = [name for name in datasets.DATASETS.names() if name not in datasets.IMAGE_SETS]


@given(
    samples=st.integers(2, 25),
    extra=st.integers(0, 10),
    gamma=st.floats(1.0, 50.0),
    ratio=st.floats(1.0, 5.0),
    seed=st.integers(0, 1000),
)
def test_nearly_orthogonal_attains_gamma_and_the_norm_ratio(samples, extra, gamma, ratio, seed):
    data = datasets.nearly_orthogonal(samples, samples + extra, gamma, ratio, seed)
    found = certify(data)
    # Inner products of order 1/(gamma n R^2) carry rounding of 1e-16 R^2.
    assert found.gamma == pytest.approx(gamma, rel=1e-12 * gamma * samples * ratio**4)
    assert found.R_max / found.R_min == pytest.approx(ratio, rel=1e-12)
    assert abs(data.y.sum()) <= 1


def test_nearly_orthogonal_with_more_samples_than_features_attains_a_possible_gamma():
    found = certify(datasets.nearly_orthogonal(samples=12, dim=10, gamma=0.25, seed=0))
    assert found.gamma == pytest.approx(0.25, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"samples": 30, "dim": 20, "gamma": 2.0}, "Welch bound gamma is at most 0.2"),
        ({"samples": 30, "dim": 20, "gamma": 0.25}, "the best had"),
        ({"samples": 30, "dim": 40, "gamma": 0.01}, "not positive definite"),
        ({"gamma": -1.0}, "`gamma` is -1.0"),
        ({"gamma": float("nan")}, "`gamma` is nan"),
        ({"samples": 0}, "`samples` is 0"),
        ({"samples": 2.5}, "`samples` is 2.5"),
        ({"norm_ratio": 0.5}, "at least 1"),
    ],
)
def test_impossible_nearly_orthogonal_data_are_refused_with_the_reason(arguments, told):
    with pytest.raises(InputError, match=told):
        datasets.nearly_orthogonal(**arguments)


@given(
    samples=st.integers(1, 30),
    dim=st.integers(2, 20),
    lambda_=st.floats(1e-6, 1e6),
    seed=st.integers(0, 1000),
)
def test_orthogonally_separable_attains_lambda(samples, dim, lambda_, seed):
    found = certify(datasets.orthogonally_separable(samples, dim, lambda_, seed=seed))
    assert found.lambda_ == pytest.approx(lambda_, rel=1e-11)
    assert found.orthogonally_separable


@given(samples=st.integers(2, 30), dim=st.integers(2, 20), seed=st.integers(0, 1000))
def test_phuong_lampert_classes_are_positive_within_and_not_across(samples, dim, seed):
    data = datasets.orthogonally_separable(samples, dim, 0.3, "phuong-lampert", seed)
    products, same = data.X @ data.X.T, np.equal.outer(data.y, data.y)
    assert products[same].min() == pytest.approx(0.3, rel=1e-11)
    assume(not same.all())
    assert products[~same].max() <= 1e-13 * np.abs(products).max()


def test_a_moved_sample_loses_the_certificate():
    """Negative control of the three tests above."""
    data = datasets.orthogonally_separable(6, 4, 0.1)
    moved = data.X.copy()
    moved[0] *= -1.0
    assert not certify(Dataset(moved, data.y)).orthogonally_separable
    near = datasets.nearly_orthogonal(6, 9, 2.0)
    moved = near.X.copy()
    moved[0] = moved[1] + 0.1 * moved[0]
    found = certify(Dataset(moved, near.y))
    assert found.gamma < 1.0 and not found.nearly_orthogonal


@given(
    samples=st.integers(1, 300),
    classes=st.integers(2, 10),
    fraction=st.floats(0.0, 1.0),
    seed=st.integers(0, 1000),
)
def test_label_noise_changes_exactly_the_fraction_asked_for(samples, classes, fraction, seed):
    random = np.random.default_rng(seed)
    numbers = random.integers(0, classes, samples)
    noisy = wrong_labels(numbers, classes, fraction, random)
    assert (noisy != numbers).sum() == round(fraction * samples)
    assert noisy.min() >= 0 and noisy.max() < classes


def test_digits_are_the_images_of_scikit_learn():
    from sklearn.datasets import load_digits

    images, numbers = load_digits(return_X_y=True)
    data = datasets.digits(samples=1797)
    np.testing.assert_array_equal(data.X * 16.0, images)
    np.testing.assert_array_equal(data.y, numbers)
    pair = datasets.digits(classes=(3, 8), samples=357)
    assert pair.label_kind == "binary"
    np.testing.assert_array_equal(pair.X[pair.y == 1.0] * 16.0, images[numbers == 8])
    assert datasets.digits(classes=(7, 0, 4)).classes == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"samples": 5000}, "have 1797 images"),
        ({"classes": (3,)}, "two or more different"),
        ({"classes": (3, 3)}, "two or more different"),
        ({"classes": (3, 12)}, "two or more different"),
    ],
)
def test_impossible_choices_of_digits_are_refused(arguments, told):
    with pytest.raises(InputError, match=told):
        datasets.digits(**arguments)


@pytest.mark.parametrize("name", GENERATED)
def test_origin_makes_the_set_again(name):
    data = datasets.make(name, seed=4, **SMALL[name])
    assert datasets.make(data.name, **data.origin).digest() == data.digest()


def test_unknown_names_and_options_are_refused_with_what_there_is():
    with pytest.raises(InputError, match="did you mean 'nearly-orthogonal'"):
        datasets.make("nearly-orthogonol", seed=0)
    with pytest.raises(InputError, match="has no option `gamma`: it takes `samples`, `dim`"):
        datasets.make("gaussian", seed=0, gamma=2.0)


def test_file_gives_back_arrays_name_and_origin(tmp_path):
    data = datasets.nearly_orthogonal(samples=4, dim=6, seed=3)
    datasets.save_npz(data, tmp_path / "data.npz")
    again = datasets.load_npz(tmp_path / "data.npz")
    assert (again.digest(), again.name, again.origin) == (data.digest(), data.name, data.origin)
    with pytest.raises(InputError, match="overwrite=True"):
        datasets.save_npz(data, tmp_path / "data.npz")
    datasets.save_npz(data, tmp_path / "data.npz", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"X": np.ones((3, 2))}, "no array y"),
        ({"X": np.ones((3, 2)), "y": np.ones(4)}, r"y has shape \(4,\) but X has shape \(3, 2\)"),
        ({"X": np.ones(3), "y": np.ones(3)}, "X has shape"),
        ({"X": np.ones((3, 0)), "y": np.ones(3)}, "at least one sample and feature"),
        ({"X": np.full((3, 2), np.nan), "y": np.ones(3)}, r"X\[0, 0\] is nan"),
        ({"X": np.ones((3, 2)), "y": np.array([1, np.inf, 1])}, r"y\[1\] is inf"),
        ({"X": np.array([["a", "b"]]), "y": np.ones(1)}, "expected an array of real numbers"),
        ({"X": np.ones((1, 1), dtype=complex), "y": np.ones(1)}, "real numbers"),
    ],
)
def test_unusable_files_are_refused(arrays, told, tmp_path):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(InputError, match=told):
        datasets.load_npz(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        ([1.0, -1.0], "binary"),
        ([1.0, 1.0], "binary"),
        ([0.0, 1.0], "classes"),
        ([0.5, 1.0], "targets"),
        ([[1.0], [-1.0]], "targets"),
    ],
)
def test_labels_are_told_apart(y, kind):
    assert Dataset(np.ones((2, 3)), np.array(y)).label_kind == kind


@pytest.mark.parametrize(
    ("y", "told"),
    [
        ([1, 2, 3, 1], "y has the class numbers 1, 2, 3: expected all of 0 to K-1"),
        ([0, 2, 0, 2], r"class numbers 0, 2: .*`classes=3`"),
        ([0, 1, 1_000_000, 1], "class numbers 0, 1, 1000000"),
        ([4, 9, 16, 25], "numpy.unique.*real targets as y"),
    ],
)
def test_class_numbers_with_gaps_are_named_and_refused(tmp_path, y, told):
    X = np.ones((4, 2))
    with pytest.raises(InputError, match=told) as caught:
        Dataset(X, np.array(y))
    assert "\n" not in str(caught.value)
    np.savez(tmp_path / "data.npz", X=X, y=y)
    with pytest.raises(InputError, match=f"data.npz: .*{told}"):
        datasets.load_npz(tmp_path / "data.npz")


def test_the_remedy_for_a_gap_is_one_that_is_accepted():
    with pytest.raises(InputError) as caught:
        Dataset(np.ones((2, 2)), np.array([0, 1_000_000]))
    assert "tell K" not in str(caught.value)


def test_many_class_numbers_with_gaps_are_counted():
    with pytest.raises(InputError, match=r"1, 2, 3, 4, 5, 6, \.\.\. \(50 different\)"):
        Dataset(np.ones((50, 1)), np.arange(1, 51))


def test_classes_without_a_sample_can_be_told_and_are_kept_in_files(tmp_path):
    data = Dataset(np.ones((2, 2)), np.array([3, 1]), classes=5)
    assert data.label_kind == "classes" and data.classes == 5
    assert flowfa.Problem(data, (4,)).sizes == (2, 4, 5)
    datasets.save_npz(data, tmp_path / "data.npz")
    assert datasets.load_npz(tmp_path / "data.npz").classes == 5
    assert Dataset(np.ones((2, 2)), np.ones(2), classes=3).label_kind == "classes"


@pytest.mark.parametrize(
    ("y", "classes", "told"),
    [
        ([0, 3], 3, "`classes` is 3 but y has labels 3: expected class numbers 0 to 2"),
        ([-1, 1], 2, "labels -1"),
        ([0.5, 1.0], 2, "labels 0.5"),
        ([[0.0], [1.0]], 2, "labels of real targets"),
        ([0, 1], -2, "`classes` is -2"),
        ([0, 1], 2.0, "`classes` is 2.0"),
        ([0, 1], 10**9, "`classes` is 1000000000, and each class is an output"),
    ],
)
def test_a_number_of_classes_that_does_not_fit_is_refused(y, classes, told):
    with pytest.raises(InputError, match=told):
        Dataset(np.ones((2, 2)), np.array(y), classes=classes)


def test_a_number_of_classes_in_a_file_is_one_whole_number(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.ones((2, 2)), y=[0, 1], classes=[2.0])
    with pytest.raises(InputError, match=r"classes in .*data\.npz has shape \(1,\)"):
        datasets.load_npz(tmp_path / "data.npz")


def test_generators_have_as_many_classes_as_asked_for_whatever_was_drawn():
    assert datasets.digits(samples=3, seed=0).classes == 10
    assert datasets.mixture(samples=2, components=4, seed=0).classes == 4
    assert datasets.per_trajectory("digits", 2, seed=0, samples=3).classes == 10


def test_sets_of_a_stack_may_each_lack_a_class():
    both = Dataset(np.ones((2, 2, 1)), np.array([[0, 1], [2, 1]]))
    assert both.classes == 3
    assert [found.samples for found in datasets.certify_each(both)] == [2, 2]
