"""Sets of real images: files in the official formats, whole and damaged; subsets, noise, cache."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from flowfa import datasets
from flowfa.cli.main import main
from flowfa.datasets import ImageSet, load_images
from flowfa.datasets.images import (
    NOISE_KINDS,
    channel_statistics,
    choose,
    normalised,
    resized,
    with_label_noise,
)
from flowfa.datasets.images import fetch as fetching
from flowfa.datasets.images.tiny_imagenet import TINY_IMAGENET
from flowfa.errors import InputError

SPLITS = ("train", "test")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder of data sets, and a cache of this test's own."""
    place = tmp_path / "data"
    place.mkdir()
    monkeypatch.setenv("FLOWFA_DATA", str(place))
    monkeypatch.setenv("FLOWFA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return place


def pixels(count, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


# --- files in the official formats ----------------------------------------------------------------


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder, count=40, compressed=True, place="mnist"):
    where = folder / place
    where.mkdir(parents=True, exist_ok=True)
    images, labels = pixels(count, 28, 28), (np.arange(count) * 7 % 10).astype(np.uint8)
    for stem in ("train", "t10k"):
        for name, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            path, content = where / f"{stem}-{name}", idx(array)
            if compressed:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(content))
            else:
                path.write_bytes(content)
    return images, labels


FINE_NAMES = "".join(f"thing_{number}\n" for number in range(100)).encode()


def cifar_files(count=30):
    images = pixels(count, 3, 32, 32)
    fine = (np.arange(count) % 10 * 3).astype(np.uint8)
    coarse = (fine % 20).astype(np.uint8)
    records = np.concatenate([coarse[:, None], fine[:, None], images.reshape(count, -1)], axis=1)
    content = records.tobytes()
    files = {"train.bin": content, "test.bin": content, "fine_label_names.txt": FINE_NAMES}
    return files, images, fine


def write_cifar(folder, packed, count=30):
    files, images, fine = cifar_files(count)
    if packed:
        with tarfile.open(folder / "cifar-100-binary.tar.gz", "w:gz") as archive:
            for name, content in files.items():
                add(archive, f"cifar-100-binary/{name}", content)
    else:
        (folder / "cifar-100-binary").mkdir()
        for name, content in files.items():
            (folder / "cifar-100-binary" / name).write_bytes(content)
    return images, fine


def add(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def jpeg(array, mode="RGB"):
    stream = io.BytesIO()
    image = Image.fromarray(array) if mode == "RGB" else Image.fromarray(array[..., 0])
    image.save(stream, "JPEG", quality=95, subsampling=0)
    return stream.getvalue()


WNIDS = ("n03", "n01", "n02")


def tiny_files(per_class=12, side=8):
    """Three classes in an order that is not that of their names; every fifth image is grey."""
    files = {"wnids.txt": "\n".join(WNIDS).encode(), "words.txt": b"n01\tbullfrog, frog\nn02\tox\n"}
    # One flat colour an image, which JPEG keeps to a few levels.
    for label, wnid in enumerate(WNIDS):
        for number in range(per_class):
            colour = np.full((side, side, 3), (80 * label + 10, 6 * number, 100), dtype=np.uint8)
            grey = number % 5 == 4
            files[f"train/{wnid}/images/{wnid}_{number}.JPEG"] = jpeg(
                colour, "L" if grey else "RGB"
            )
        files[f"train/{wnid}/{wnid}_boxes.txt"] = b"not read"
    lines = []
    for number in (10, 2, 0, 1):
        label = number % 3
        colour = np.full((side, side, 3), (80 * label + 10, 6 * number, 100), dtype=np.uint8)
        files[f"val/images/val_{number}.JPEG"] = jpeg(colour)
        lines.append(f"val_{number}.JPEG\t{WNIDS[label]}\t0\t0\t7\t7\n")
    files["val/val_annotations.txt"] = "".join(lines).encode()
    return files


def write_tiny(folder, packed, files=None, name="tiny-imagenet-200"):
    files = tiny_files() if files is None else files
    if packed:
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for path, content in reversed(files.items()):
                archive.writestr(f"tiny-imagenet-200/{path}", content)
        return
    for path, content in files.items():
        target = folder / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("place", ["mnist", "MNIST/raw", "."])
def test_mnist_is_read_from_idx_files(folder, compressed, place):
    images, labels = write_mnist(folder, compressed=compressed, place=place)
    for split in SPLITS:
        found = load_images("mnist", split)
        np.testing.assert_array_equal(found.images, images[:, None])
        np.testing.assert_array_equal(found.labels, labels)
        assert found.class_names == tuple("0123456789")
        assert found.split == split


@pytest.mark.parametrize("packed", [False, True])
def test_cifar100_is_read_from_its_binary_version(folder, packed):
    images, fine = write_cifar(folder, packed)
    found = load_images("cifar100", "test")
    np.testing.assert_array_equal(found.images, images)
    np.testing.assert_array_equal(found.labels, fine)
    assert found.class_names[7] == "thing_7"


@pytest.mark.parametrize("packed", [False, True])
def test_tiny_imagenet_is_read_in_the_order_of_wnids_and_numbers(folder, packed):
    write_tiny(folder, packed)
    train, test = load_images("tiny-imagenet"), load_images("tiny-imagenet", "test")
    assert train.images.shape == (36, 3, 8, 8)
    np.testing.assert_array_equal(train.labels, np.repeat([0, 1, 2], 12))
    # n03 has no words; green counts the images, in the order 0, 1, ..., 10, 11.
    assert train.class_names == ("n03", "bullfrog, frog", "ox")
    colour = [n for n in range(12) if n % 5 != 4]
    green = train.images[:12, 1].mean((1, 2))[colour]
    np.testing.assert_allclose(green, 6 * np.array(colour), atol=3.0)
    np.testing.assert_array_equal(train.images[4, 0], train.images[4, 2])
    np.testing.assert_array_equal(test.labels, [0, 1, 2, 1])
    np.testing.assert_allclose(test.images[:, 1].mean((1, 2)), [0, 6, 12, 60], atol=3.0)


def test_a_part_of_tiny_imagenet_is_found_and_two_are_refused(folder):
    write_tiny(folder, packed=True, name="tiny-imagenet-50")
    assert len(load_images("tiny-imagenet")) == 36
    write_tiny(folder, packed=True, name="tiny-imagenet-3")
    with pytest.raises(InputError, match=r"tiny-imagenet-3\.zip, tiny-imagenet-50\.zip: leave one"):
        load_images("tiny-imagenet")


def test_real_mnist_and_tiny_imagenet(flowfa_data):
    """Counts and pixel statistics that are published for MNIST: 0.1307 and 0.3081."""
    for name in ("mnist", "tiny-imagenet"):
        try:
            images = load_images(name, "test" if name == "tiny-imagenet" else "train", flowfa_data)
        except InputError as error:
            pytest.skip(str(error))
        if name == "mnist":
            assert images.images.shape == (60000, 1, 28, 28)
            mean, deviation = channel_statistics(images)
            np.testing.assert_allclose((mean[0], deviation[0]), (0.1307, 0.3081), atol=5e-5)
            np.testing.assert_array_equal(images.labels[:5], [5, 0, 4, 1, 9])
        else:
            assert images.images.shape[1:] == (3, 64, 64)
            assert len(set(Counter(images.labels.tolist()).values())) == 1


# --- damage ---------------------------------------------------------------------------------------


def broken_mnist(content, name="train-images-idx3-ubyte"):
    def spoil(folder):
        write_mnist(folder, compressed=False)
        path = folder / "mnist" / name
        path.write_bytes(content(path.read_bytes()))

    return spoil


def short_archive(write, name, fraction):
    def spoil(folder):
        write(folder, True)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * fraction)])

    return spoil


def mnist_gz(content):
    def spoil(folder):
        write_mnist(folder)
        path = folder / "mnist" / "train-images-idx3-ubyte.gz"
        path.write_bytes(content(path.read_bytes()))

    return spoil


def broken_cifar(content, name="train.bin"):
    def spoil(folder):
        write_cifar(folder, packed=False)
        path = folder / "cifar-100-binary" / name
        path.write_bytes(content(path.read_bytes()))

    return spoil


def linked_cifar(folder):
    """An archive whose train.bin is a link out of it: links are never followed."""
    files, _, _ = cifar_files()
    (folder / "secret").write_bytes(files["train.bin"])
    with tarfile.open(folder / "cifar-100-binary.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("cifar-100-binary/train.bin")
        member.type, member.linkname = tarfile.SYMTYPE, str(folder / "secret")
        archive.addfile(member)
        add(archive, "cifar-100-binary/fine_label_names.txt", FINE_NAMES)


def changed_tiny(name, content):
    def spoil(folder):
        files = tiny_files()
        if content is None:
            del files[name]
        else:
            files[name] = content(files.get(name, b""))
        write_tiny(folder, True, files)

    return spoil


def label_seventeen(content):
    return content[:8] + bytes([17]) + content[9:]


MNIST_LABELS = "train-labels-idx1-ubyte"
JPEG = "train/n01/images/n01_3.JPEG"
LARGE = jpeg(np.zeros((9, 8, 3), dtype=np.uint8))
DAMAGE = {
    "mnist cut": (
        "mnist",
        broken_mnist(lambda c: c[:-1]),
        "truncated: expected 40 x 28 x 28 = 31360",
    ),
    "mnist long": ("mnist", broken_mnist(lambda c: c + b"x"), "not what its header says"),
    "mnist header": ("mnist", broken_mnist(lambda c: c[:9]), "has 9 bytes: its header alone"),
    "mnist empty": ("mnist", broken_mnist(lambda c: b""), "starts with nothing"),
    "mnist swapped": ("mnist", broken_mnist(lambda c: idx(pixels(4))), "expected 00000803"),
    "mnist counts": (
        "mnist",
        broken_mnist(lambda c: idx(np.zeros(3, np.uint8)), MNIST_LABELS),
        "has 40 images but .* has 3 labels",
    ),
    "mnist label": ("mnist", broken_mnist(label_seventeen, MNIST_LABELS), "has the label 17"),
    "mnist gz cut": ("mnist", mnist_gz(lambda c: c[:-200]), "compressed data end early"),
    "mnist no gz": ("mnist", mnist_gz(lambda c: b"text" + c), "cannot be read"),
    "mnist gz rotten": (
        "mnist",
        mnist_gz(lambda c: c[:50] + b"\0" * 99 + c[149:]),
        "cannot be read",
    ),
    "cifar cut": (
        "cifar100",
        broken_cifar(lambda c: c[:-1]),
        "92219 bytes: expected a multiple of 3074",
    ),
    "cifar empty": ("cifar100", broken_cifar(lambda c: b""), "train.bin in .* has 0 bytes"),
    "cifar label": (
        "cifar100",
        broken_cifar(lambda c: c[:1] + b"\xc8" + c[2:]),
        "fine label 200 at",
    ),
    "cifar coarse": (
        "cifar100",
        broken_cifar(lambda c: b"\x14" + c[1:]),
        "coarse label 20 at image 0",
    ),
    "cifar names": (
        "cifar100",
        broken_cifar(lambda c: c[:50], "fine_label_names.txt"),
        "names: expected 100",
    ),
    "cifar archive cut": (
        "cifar100",
        short_archive(write_cifar, "cifar-100-binary.tar.gz", 0.5),
        "damaged or truncated|ends early",
    ),
    "cifar link": ("cifar100", linked_cifar, "has no file cifar-100-binary/train.bin"),
    "cifar pickles": (
        "cifar100",
        lambda folder: (folder / "cifar-100-python.tar.gz").write_bytes(b"x"),
        "pickles are never loaded: get the binary version",
    ),
    "tiny cut": (
        "tiny-imagenet",
        short_archive(write_tiny, "tiny-imagenet-200.zip", 0.9),
        "damaged or truncated",
    ),
    "tiny no words": ("tiny-imagenet", changed_tiny("words.txt", None), "has no file words.txt"),
    "tiny jpeg cut": ("tiny-imagenet", changed_tiny(JPEG, lambda c: c[:-60]), f"{JPEG}.*cannot be"),
    "tiny no jpeg": ("tiny-imagenet", changed_tiny(JPEG, lambda c: b"text"), "is not an image"),
    "tiny size": ("tiny-imagenet", changed_tiny(JPEG, lambda c: LARGE), "8 x 9 but .* is 8 x 8"),
    "tiny class": (
        "tiny-imagenet",
        changed_tiny("wnids.txt", lambda c: c + b"\nn09"),
        "no image train/n09/images",
    ),
    "tiny twice": ("tiny-imagenet", changed_tiny("wnids.txt", lambda c: c + b"\nn01"), "twice"),
    "tiny unlisted": ("tiny-imagenet", changed_tiny("wnids.txt", lambda c: b"n01"), "images of n0"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files_are_refused_in_one_line_that_names_them(folder, kind, capsys):
    name, spoil, told = DAMAGE[kind]
    spoil(folder)
    with pytest.raises(InputError, match=told) as caught:
        load_images(name)
    assert str(folder) in str(caught.value)
    assert main(["data", "make", name, "--out", "a.npz"]) == 64
    assert capsys.readouterr().err.count("\n") == 1


def test_annotations_are_checked(folder):
    spoilt = changed_tiny("val/val_annotations.txt", lambda c: c + b"val_1.JPEG\tn77\t0\n")
    spoilt(folder)
    with pytest.raises(InputError, match=r"line 5 of .* the class 'n77'"):
        load_images("tiny-imagenet", "test")


@pytest.mark.parametrize("name", datasets.IMAGE_SETS)
def test_missing_files_are_told_with_what_is_there_and_what_to_do(folder, name, monkeypatch):
    (folder / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=rf"it has notes\.txt.*expected .*data fetch {name}"):
        load_images(name)
    monkeypatch.setenv("FLOWFA_DATA", str(folder / "absent"))
    with pytest.raises(InputError, match="absent', which is no folder"):
        load_images(name)
    monkeypatch.delenv("FLOWFA_DATA")
    with pytest.raises(InputError, match=r"set FLOWFA_DATA \(or --data-dir\)"):
        load_images(name)


# --- subsets, noise, pixels -----------------------------------------------------------------------


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
        ({"samples": 401}, r"samples is 401 but small \(train\) has 400 images: ask"),
        ({"samples": 300, "classes": (0, 1)}, "images in 2 classes: ask for at most"),
        ({"samples": 0}, "samples is 0"),
        ({"random_classes": 9}, "random-classes is 9: expected at most the 8 classes of small"),
        ({"random_classes": 1}, "random-classes is 1"),
        ({"classes": (0, 8)}, r"classes are \[0, 8\]: .* 0 to 7"),
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
    with pytest.raises(InputError, match="size is 0"):
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


# --- cache ----------------------------------------------------------------------------------------


def count_decodings(monkeypatch):
    from flowfa.datasets.images import load

    calls = []

    def decode(paths, split):
        calls.append(split)
        return TINY_IMAGENET.decode(paths, split)

    source = type(TINY_IMAGENET)(
        TINY_IMAGENET.name, TINY_IMAGENET.expected, TINY_IMAGENET.files, decode
    )
    monkeypatch.setitem(load.SOURCES._entries, "tiny-imagenet", source)
    return calls


def cached(tmp_path):
    return list((tmp_path / "cache").iterdir())


def test_images_are_decoded_once_until_their_file_changes(folder, tmp_path, monkeypatch):
    write_tiny(folder, packed=True)
    calls = count_decodings(monkeypatch)
    first, again = load_images("tiny-imagenet"), load_images("tiny-imagenet")
    assert calls == ["train"]
    np.testing.assert_array_equal(first.images, again.images)
    assert first.class_names == again.class_names
    assert len(cached(tmp_path)) == 1
    write_tiny(folder, True, tiny_files(per_class=5))
    assert len(load_images("tiny-imagenet")) == 15
    assert calls == ["train", "train"]


@pytest.mark.parametrize("damage", ["a pixel", "half", "text", "other arrays"])
def test_a_damaged_cache_is_made_again_with_a_warning(folder, tmp_path, monkeypatch, damage):
    write_tiny(folder, packed=True)
    calls = count_decodings(monkeypatch)
    first = load_images("tiny-imagenet")
    (path,) = cached(tmp_path)
    content = path.read_bytes()
    if damage == "a pixel":
        with np.load(path) as archive:
            arrays = dict(archive)
        arrays["images"][0, 0, 0, 0] ^= 1
        np.savez(path, **arrays)
    elif damage == "half":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        path.write_text("not an archive")
    else:
        np.savez(path, X=np.zeros(3))
    with pytest.warns(UserWarning, match="is damaged .* made again"):
        again = load_images("tiny-imagenet")
    np.testing.assert_array_equal(first.images, again.images)
    assert len(calls) == 2
    load_images("tiny-imagenet")
    assert len(calls) == 2


def test_without_a_place_for_the_cache_images_are_read_all_the_same(folder, tmp_path):
    write_mnist(folder)
    (tmp_path / "cache").write_text("a file, no folder")
    with pytest.warns(UserWarning, match="cannot be kept .* set FLOWFA_CACHE"):
        assert len(load_images("mnist")) == 40


def test_an_interrupted_write_leaves_nothing(folder, tmp_path, monkeypatch):
    write_mnist(folder)

    def interrupted(*arguments, **arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_images("mnist")
    assert cached(tmp_path) == []


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
        ("simulate --dataset gaussian --size 3", "no option 'size'"),
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


# --- downloads, from a server on this machine -----------------------------------------------------


class Answers(http.server.BaseHTTPRequestHandler):
    """Sends `content`, or what a range asks of it; breaks off after `cut` bytes."""

    content = b""
    cut: int | None = None
    ranges: list[str | None] = []  # noqa: RUF012 - one for each test, set by the fixture

    def do_GET(self):
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(self.content):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start : self.cut])

    def log_message(self, *words):
        pass


@pytest.fixture
def server(monkeypatch):
    pytest.importorskip("pooch")
    handler = type("Own", (Answers,), {"ranges": [], "content": bytes(pixels(300_000).data)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{serving.server_port}/file"
        digest = hashlib.md5(handler.content).hexdigest()
        download = fetching.Download(url, "cifar-100-binary.tar.gz", digest)
        monkeypatch.setitem(fetching.DOWNLOADS, "cifar100", (download,))
        yield handler
        serving.shutdown()
        thread.join()


def test_fetch_downloads_once_and_checks(folder, server, capsys):
    assert main(["data", "fetch", "cifar100"]) == 0
    path = folder / "cifar-100-binary.tar.gz"
    assert path.read_bytes() == server.content
    assert "its checksum is the official one" in capsys.readouterr().out
    assert main(["data", "fetch", "cifar100", "--quiet"]) == 0
    assert server.ranges == [None]
    assert [each.name for each in folder.iterdir()] == [path.name]


def test_fetch_goes_on_where_it_was_cut_off(folder, server, capsys):
    server.cut = 100_000
    assert main(["data", "fetch", "cifar100"]) == 64
    shown = capsys.readouterr().err
    assert "try again to go on" in shown
    assert shown.count("\n") == 1
    part = folder / "cifar-100-binary.tar.gz.part"
    assert 0 < part.stat().st_size <= 100_000
    size = part.stat().st_size
    server.cut = None
    assert main(["data", "fetch", "cifar100", "--quiet"]) == 0
    assert server.ranges == [None, f"bytes={size}-"]
    assert (folder / "cifar-100-binary.tar.gz").read_bytes() == server.content
    assert not part.exists()


def test_fetch_refuses_what_has_another_checksum(folder, server, capsys):
    server.content = b"something else"
    assert main(["data", "fetch", "cifar100"]) == 64
    assert "hash" in capsys.readouterr().err
    assert list(folder.iterdir()) == []
    (folder / "cifar-100-binary.tar.gz").write_bytes(b"my own")
    assert main(["data", "fetch", "cifar100"]) == 64
    assert "is there but its MD5" in capsys.readouterr().err
    assert (folder / "cifar-100-binary.tar.gz").read_bytes() == b"my own"


def test_fetch_without_a_network_names_the_expected_files(folder, server, monkeypatch, capsys):
    unreachable = fetching.Download("http://127.0.0.1:9/file", "cifar-100-binary.tar.gz", "0" * 32)
    monkeypatch.setitem(fetching.DOWNLOADS, "cifar100", (unreachable,))
    assert main(["data", "fetch", "cifar100"]) == 64
    shown = capsys.readouterr().err
    assert "train.bin, test.bin and fine_label_names.txt into" in shown
    assert "refused" in shown
    assert shown.count("\n") == 1
