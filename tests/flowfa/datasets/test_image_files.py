"""Image sets as files: official formats, damage, the cache."""

from __future__ import annotations

import tarfile
from collections import Counter

import numpy as np
import pytest

from flowfa import datasets
from flowfa.cli.main import main
from flowfa.datasets import load_images
from flowfa.datasets.images import channel_statistics
from flowfa.datasets.images.tiny_imagenet import TINY_IMAGENET
from flowfa.errors import InputError
from tests.support.image_files import (
    FINE_NAMES,
    add,
    cifar_files,
    idx,
    jpeg,
    pixels,
    tiny_files,
    write_cifar,
    write_mnist,
    write_tiny,
)

pytestmark = pytest.mark.usefixtures("folder")
SPLITS = ("train", "test")


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
    "mnist gz cut": ("mnist", mnist_gz(lambda c: c[:50]), "end early, after 50 bytes; expected"),
    "mnist no gz": ("mnist", mnist_gz(lambda c: b"text" + c), "plain or compressed by gzip"),
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
    with pytest.raises(InputError, match=r"set FLOWFA_DATA \(or `data_dir`\)"):
        load_images(name)


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
