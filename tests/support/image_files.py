"""Small image sets in their official formats, with made-up pixels."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile

import numpy as np
from PIL import Image

SPLITS = ("train", "test")


def pixels(count, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


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
