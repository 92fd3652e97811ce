"""Results in memory and on disk, and the checkpoints of unfinished runs."""

from __future__ import annotations

from flowfa.records.checkpoint import Checkpoint, checkpoint_folder, compare_configurations
from flowfa.records.layout import RecordLayout
from flowfa.records.output import check_memory, check_output
from flowfa.records.reader import load, recorded_settings, weights_decay
from flowfa.records.recorder import Recorder
from flowfa.records.series import series_labels
from flowfa.records.writer import build_tree, save_tree, write_run

__all__ = [
    "Checkpoint",
    "RecordLayout",
    "Recorder",
    "build_tree",
    "check_memory",
    "check_output",
    "checkpoint_folder",
    "compare_configurations",
    "load",
    "recorded_settings",
    "save_tree",
    "series_labels",
    "weights_decay",
    "write_run",
]
