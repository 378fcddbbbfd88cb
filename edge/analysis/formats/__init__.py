"""Files of a result. Each format is one module with a function that writes it, and a row in FORMATS.

Unknown values are stored as the format can: empty (CSV), null (Parquet), the lowest number of 16 bits (EDF, where it is
below every value; WFDB, where it is defined as unknown).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from edge.analysis.result import Result
from edge.core.errors import InputError, install_hint


@dataclass(frozen=True)
class Format:
    """A format: its name, the module of this package that writes it, and the libraries that the module needs.

    `file_names` matches the names, without suffix, that the format allows.
    """

    name: str
    module: str
    libraries: tuple[str, ...] = ()
    file_names: str = r".+"


FORMATS = {
    ".csv": Format("CSV", "csv_file"),
    ".edf": Format("EDF+", "edf", ("edfio",)),
    ".hea": Format("WFDB", "wfdb_record", ("wfdb",), r"[A-Za-z0-9_-]+"),
    ".parquet": Format("Parquet", "parquet", ("pyarrow",)),
}
"""Formats by the suffix of the file's name."""
REPORT = Format("report", "", ("matplotlib",))


def check_output(path: Path, is_report: bool = False) -> None:
    """Check, before a long computation, that a result can be written to `path`; create its folder.

    Raises InputError for an unknown suffix, a missing library or a name that is not allowed; OSError if the folder
    cannot be written.
    """
    if not is_report and path.suffix.lower() not in FORMATS:
        known = ", ".join(f"{suffix} ({form.name})" for suffix, form in FORMATS.items())
        raise InputError(f"{path}: the name must end with one of {known}")
    form = REPORT if is_report else FORMATS[path.suffix.lower()]
    for library in form.libraries:
        if find_spec(library) is None:
            raise InputError(f"{path}: needs {library}, which is not installed: {install_hint('analysis')}")
    if not re.fullmatch(form.file_names, path.stem):
        raise InputError(f"{path}: the name of a {form.name} file may only have letters, digits, _ and -")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; give the name of a file")
    with folder_for(path):
        pass


def write_result(result: Result, path: Path) -> None:
    """Write a result in the format of the path's suffix. Raises InputError, OSError."""
    check_output(path)
    module = import_module(f"edge.analysis.formats.{FORMATS[path.suffix.lower()].module}")
    write: Callable[[Result, Path], None] = module.write_file
    with folder_for(path) as folder:
        write(result, folder / path.name)


@contextmanager
def folder_for(path: Path) -> Iterator[Path]:
    """Yield an empty folder; afterwards its files move to the folder of `path`, so that no file is ever incomplete.

    Raises OSError, which names the path.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".radarecg-", dir=path.parent) as name:
            yield Path(name)
            for file in sorted(Path(name).iterdir()):
                file.replace(path.parent / file.name)
    except FileExistsError as error:
        raise OSError(f"{path}: cannot be written ({path.parent} is not a folder)") from error
    except OSError as error:
        raise OSError(f"{path}: cannot be written ({error.strerror or error})") from error
