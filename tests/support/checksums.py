"""Results without their checksums: as older versions wrote them, or as a careful forger does."""

from __future__ import annotations

import h5py

from flowfa.records.checksums import CHECKSUMS


def forget_checksums(file):
    """Delete the checksums of an open file, or of the file at a path."""
    if not isinstance(file, h5py.File):
        with h5py.File(file, "r+") as opened:
            forget_checksums(opened)
        return
    for group in (file, *file.values()):
        if CHECKSUMS in group.attrs:
            del group.attrs[CHECKSUMS]


def without_checksums(tree):
    """Return a tree as it was before it was written."""
    tree = tree.copy()
    for node in tree.subtree:
        node.attrs = {name: value for name, value in node.attrs.items() if name != CHECKSUMS}
    return tree
