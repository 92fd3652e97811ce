"""The words of a command line, held against the declared settings before the parser sees them.

Every slip is answered by one line, in the words of all other messages: an unknown flag with the
nearest one, a flag given twice (of which the parser would take the last), a value of another kind,
a word too many or too few.
"""

from __future__ import annotations

import difflib
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any, get_args, get_type_hints

from tyro.conf import Positional

from flowfa.cli.flags import flag_of
from flowfa.errors import InputError
from flowfa.settings.declared import Declaration, declarations

HELP = ("-h", "--help")
_POSITIONAL = get_args(Positional[str])[1]
_FLAG = re.compile(r"--?[A-Za-z]")
_NEGATIVE_NUMBER = re.compile(r"-(inf|infinity|nan)", re.IGNORECASE)


@dataclass(frozen=True)
class Setting:
    """A setting as it is given on the command line.

    Attributes
    ----------
    flag : str
        ``--t-end``; of a positional one what its value is called, ``RUN.nc``.
    declaration : Declaration
    shown : str
        The flag with what follows it: ``--t-end FLOAT``.
    """

    flag: str
    declaration: Declaration
    shown: str

    @property
    def takes_no_value(self) -> bool:
        """Whether it is a switch."""
        return self.declaration.kind is bool

    @property
    def required(self) -> bool:
        """Whether it has to be given."""
        return self.declaration.default is MISSING


def check_words(
    command: str,
    words: Sequence[str],
    group: type,
    defaults: object,
    all_groups: Mapping[str, type],
) -> None:
    """Refuse words that a command does not understand.

    Parameters
    ----------
    command : str
        Its name: ``simulate``, ``data make``.
    words : sequence of str
        What follows the name.
    group : type
        Its settings.
    defaults : object
        An object of `group`, or the class, that has the default of each switch.
    all_groups : mapping
        The settings of every command, to tell where a flag belongs.

    Raises
    ------
    InputError
        For the first word that does not fit.
    """
    if any(word in HELP for word in words):
        return
    flags = {setting.flag: setting for setting in flags_of(group, defaults)}
    positional = deque(_positional(group))
    given: dict[str, str] = {}
    rest = deque(words)
    only_positional = False
    listed: list[str] = []
    while rest:
        word = rest.popleft()
        if word == "--" and not only_positional:
            only_positional = True
        elif only_positional or not _is_flag(word):
            if not positional:
                raise _too_many(command, word, given)
            taking = positional[0]
            _check_value(taking, word)
            if taking.declaration.is_list:
                listed.append(word)
            else:
                positional.popleft()
        else:
            spelled, _, attached = word.partition("=")
            setting = flags.get("--" + spelled.lstrip("-").replace("_", "-"))
            if setting is None or not spelled.startswith("--"):
                raise _unknown(command, spelled, flags, all_groups)
            values = _values(setting, rest, 0 if listed else len(_required(positional)))
            if "=" in word:
                values = [attached, *values] if setting.declaration.is_list else [attached]
            else:
                for _ in values:
                    rest.popleft()
            _check_flag(setting, values, given)
            given[setting.flag] = " ".join(values)
    lacking = [] if listed else _required(positional)
    missing = [*lacking, *_required(flags.values(), given)]
    if missing:
        raise InputError(
            f"{command} needs {missing[0].shown}: flowfa {command} --help says what it is"
        )


def _check_flag(setting: Setting, values: list[str], given: Mapping[str, str]) -> None:
    """Refuse a flag that is given again, or the wrong number or kind of values."""
    if setting.takes_no_value:
        if values:
            raise InputError(f"{setting.flag} takes no value: leave out {values[0]!r}")
        return
    if setting.flag in given:
        once = f"{setting.flag} {given[setting.flag]} {' '.join(values)}"
        mend = f", with all values: {once}" if setting.declaration.is_list else ""
        raise InputError(
            f"{setting.flag} is given twice ({given[setting.flag]}, then {' '.join(values)}): give "
            f"it once{mend}"
        )
    if not values and not setting.declaration.is_list:
        raise InputError(f"{setting.flag} has no value: expected {setting.declaration.expected}")
    for value in values:
        _check_value(setting, value)


def _check_value(setting: Setting, value: str) -> None:
    """Refuse a word that is not of the declared kind."""
    declared = setting.declaration
    if value in declared.words or (declared.optional and value == "None"):
        return
    if declared.kind in (int, float):
        try:
            declared.kind(value)
        except ValueError:
            raise InputError(f"{setting.flag} is {value!r}: expected {declared.expected}") from None


def _values(setting: Setting, rest: deque[str], reserved: int) -> list[str]:
    """Return the words that follow a flag as its values; the last `reserved` are not for a list."""
    if setting.takes_no_value:
        return []
    values: list[str] = []
    most = len(rest) - reserved if setting.declaration.is_list else 1
    for word in rest:
        if len(values) >= most or word == "--" or _is_flag(word):
            break
        values.append(word)
    return values


def _is_flag(word: str) -> bool:
    return bool(_FLAG.match(word)) and not _NEGATIVE_NUMBER.fullmatch(word)


def flags_of(group: type, defaults: object) -> Iterator[Setting]:
    """Return the flags of a command; a switch that is on by default is named for being off."""
    for name, notes in _notes(group).items():
        if _POSITIONAL in notes:
            continue
        declared = declarations(group)[name]
        flag = flag_of(name)
        if declared.kind is bool and getattr(defaults, name):
            flag = "--no-" + flag.removeprefix("--")
        yield Setting(flag, declared, f"{flag} {_metavar(notes, declared)}".rstrip())


def _positional(group: type) -> Iterator[Setting]:
    for name, notes in _notes(group).items():
        if _POSITIONAL in notes:
            declared = declarations(group)[name]
            shown = _metavar(notes, declared)
            yield Setting(shown, declared, shown)


def _notes(group: type) -> dict[str, tuple[Any, ...]]:
    """Return what the annotation of each setting says beside its type."""
    hints = get_type_hints(group, include_extras=True)
    return {name: getattr(hints[name], "__metadata__", ()) for name in declarations(group)}


def _metavar(notes: Sequence[Any], declared: Declaration) -> str:
    """Return what the help calls the value of a setting."""
    named = [metavar for note in notes if (metavar := getattr(note, "metavar", None))]
    return named[0] if named else "" if declared.kind is bool else declared.kind.__name__.upper()


def _required(settings: Any, given: Mapping[str, str] | None = None) -> list[Setting]:
    return [
        setting
        for setting in settings
        if setting.required and (given is None or setting.flag not in given)
    ]


def _unknown(
    command: str, flag: str, flags: Mapping[str, Setting], all_groups: Mapping[str, type]
) -> InputError:
    """Return the error for a flag that a command does not have."""
    near = difflib.get_close_matches(flag, flags, n=1, cutoff=0.7)
    if near:
        hint = f"did you mean {flags[near[0]].shown}?"
    else:
        owners = [
            name
            for name, group in all_groups.items()
            if flag in {setting.flag for setting in flags_of(group, group)}
        ]
        hint = f"it is a flag of flowfa {', '.join(owners)}." if owners else ""
    return InputError(f"{command} has no flag {flag}: {hint} flowfa {command} --help lists all")


def _too_many(command: str, word: str, given: Mapping[str, str]) -> InputError:
    """Return the error for a word that no setting takes."""
    last = list(given)[-1:]
    taken = f" ({last[0]} takes one value)" if last and given[last[0]] else ""
    return InputError(
        f"{command} cannot use the word {word!r}{taken}: leave it out; flowfa {command} "
        "--help lists what there is"
    )
