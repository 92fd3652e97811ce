"""Settings: each declared once, with its default and its limits, in groups that commands share.

The command line, TOML files, the ``config`` of a result and the keywords of `flowfa.simulate` and
`flowfa.train` are made from these dataclasses.
"""

from flowfa.settings.declared import declarations
from flowfa.settings.deviation import DeviationSettings, DeviationStudySettings
from flowfa.settings.experiment import ExperimentSettings
from flowfa.settings.flow import FlowSettings
from flowfa.settings.naming import key_of, to_json_dict
from flowfa.settings.output import StorageSettings
from flowfa.settings.problem import DATA_OPTIONS, ProblemSettings, StartsSettings
from flowfa.settings.run import SimulateSettings, TrainSettings
from flowfa.settings.toml import from_toml
from flowfa.settings.training import TrainingSettings
from flowfa.settings.validation import chosen, valid, validated, values_of

__all__ = [
    "DATA_OPTIONS",
    "DeviationSettings",
    "DeviationStudySettings",
    "ExperimentSettings",
    "FlowSettings",
    "ProblemSettings",
    "SimulateSettings",
    "StartsSettings",
    "StorageSettings",
    "TrainSettings",
    "TrainingSettings",
    "chosen",
    "declarations",
    "from_toml",
    "key_of",
    "to_json_dict",
    "valid",
    "validated",
    "values_of",
]
