"""Image sets in archives made anew, with what archivers and file managers leave in them."""

from __future__ import annotations

import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from flowfa.datasets import load_images
from tests.support.image_files import (
    add,
    cifar_files,
    tiny_files,
    write_cifar,
    write_mnist,
    write_tiny,
)


def littered(files):
    """Return the files with what macOS and Windows put beside them."""
    litter = {"__MACOSX/tiny-imagenet-200/wnids.txt": b"", ".DS_Store": b"", "train/Thumbs.db": b""}
    for name in files:
        folder, _, last = name.rpartition("/")
        litter[f"{folder}/._{last}".lstrip("/")] = b"resource fork"
        litter[f"{folder}/.DS_Store".lstrip("/")] = b"view settings"
    return litter | files


@pytest.mark.parametrize("packed", [False, True])
def test_tiny_imagenet_is_read_past_the_traces_of_file_managers(folder, packed):
    write_tiny(folder, packed, littered(tiny_files()))
    assert len(load_images("tiny-imagenet")) == 36
    assert len(load_images("tiny-imagenet", "test")) == 4


@pytest.mark.parametrize("base", [None, "tiny-imagenet-200"])
def test_tiny_imagenet_is_read_from_an_archive_that_lists_folders(folder, tmp_path, base):
    made = tmp_path / "made"
    made.mkdir()
    write_tiny(made, packed=False)
    root = made if base else made / "tiny-imagenet-200"
    shutil.make_archive(str(folder / "tiny-imagenet-200"), "zip", root, base)
    assert len(load_images("tiny-imagenet")) == 36
    assert len(load_images("tiny-imagenet", "test")) == 4


def test_traces_outside_of_the_data_set_do_not_hide_it(folder):
    with zipfile.ZipFile(folder / "tiny-imagenet-200.zip", "w") as archive:
        archive.writestr("__MACOSX/tiny-imagenet-200/wnids.txt", "n99")
        for path, content in tiny_files().items():
            archive.writestr(f"tiny-imagenet-200/{path}", content)
    assert len(load_images("tiny-imagenet")) == 36


@pytest.mark.parametrize("root", ["./", "", "cifar100/"])
def test_cifar100_is_read_from_an_archive_made_anew(folder, root):
    files, images, _ = cifar_files()
    with tarfile.open(folder / "cifar-100-binary.tar.gz", "w:gz") as archive:
        for name in ("__MACOSX/test.bin", f"{root}._test.bin", f"{root}.DS_Store"):
            add(archive, name, b"litter")
        member = tarfile.TarInfo(root or "folder")
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
        for name, content in files.items():
            add(archive, f"{root}{name}", content)
    np.testing.assert_array_equal(load_images("cifar100", "test").images, images)


def test_cifar100_is_read_from_its_archive_beside_an_empty_folder(folder):
    images, _ = write_cifar(folder, packed=True)
    (folder / "cifar-100-binary").mkdir()
    (folder / "cifar-100-binary" / ".DS_Store").write_bytes(b"")
    np.testing.assert_array_equal(load_images("cifar100").images, images)


def test_mnist_is_read_where_a_browser_unpacked_it_and_kept_its_name(folder):
    images, _ = write_mnist(folder, compressed=False)
    for path in list((folder / "mnist").iterdir()):
        path.with_name(f"._{path.name}.gz").write_bytes(b"resource fork")
        path.rename(path.with_name(f"{path.name}.gz"))
    np.testing.assert_array_equal(load_images("mnist").images, images[:, None])
