"""Where the parts of a scenario that no file holds would stand: nowhere; what it would give can be told.

Rules of this file: a field is given where the writer would write it (`simulator.language.dump`).
"""

from typing import Any

from msgspec import NODEFAULT, Struct

from fanin.simulator.language.problems import NOWHERE
from fanin.simulator.language.reader import Location
from fanin.simulator.language.scenario import Operation


class ValueLocation(Location):
    """The place of a value that was made in code.

    The way to a part is followed when it is asked what that part has: most are never asked.
    """

    def __init__(self, value: Any, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(NOWHERE, NOWHERE)
        self._value, self._path = value, path

    def at(self, *path: str | int) -> Location:
        """The part that ``path`` leads to, or the last one on the way that there is."""
        return ValueLocation(self._value, self._path + path)

    def has(self, step: str | int) -> bool:
        """Whether a file would give this part."""
        value = self._value
        for passed in self._path:
            if not _has(value, passed):
                break
            value = _part(value, passed)
        return _has(value, step)


def _has(value: Any, step: str | int) -> bool:
    match value:
        case Struct():
            if isinstance(value, Operation) and step == "repeat":
                return True  # it is written wherever another field speaks of repetitions
            names = value.__struct_encode_fields__
            return step in names and _part(value, step) != _default(value, names.index(step))
        case dict():
            return step in value
        case tuple():
            return isinstance(step, int) and step < len(value)
        case _:
            return False


def _part(value: Any, step: str | int) -> Any:
    if isinstance(value, Struct):
        return getattr(value, value.__struct_fields__[value.__struct_encode_fields__.index(str(step))])
    return value[step]


def _default(value: Struct, place: int) -> Any:
    """The default of the field at this place; what equals no value where it has none."""
    defaults = value.__struct_defaults__
    number = place - (len(value.__struct_fields__) - len(defaults))
    found = defaults[number] if number >= 0 else NODEFAULT
    return found.factory() if hasattr(found, "factory") else found
