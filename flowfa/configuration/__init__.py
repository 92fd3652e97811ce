"""The settings of one simulation: their names, defaults, files and limits."""

from flowfa.configuration.settings import (
    DATA_OPTIONS,
    PRESENTATION_KEYS,
    RESULT_KEYS,
    SimulateConfiguration,
    flag_of,
    key_of,
)
from flowfa.configuration.toml import from_toml
from flowfa.configuration.validation import validate

__all__ = [
    "DATA_OPTIONS",
    "PRESENTATION_KEYS",
    "RESULT_KEYS",
    "SimulateConfiguration",
    "flag_of",
    "from_toml",
    "key_of",
    "validate",
]
