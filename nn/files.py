"""Arrays in ``.npz`` files: written whole or not at all, read without pickle."""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 200  # how many times larger than the file its arrays may be: all-zero ones compress by 1000


def save_arrays(path: str | Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write ``arrays`` under their names: to a temporary file beside ``path``, then renamed.

    Whenever the process ends, ``path`` holds the old content or the new one. OSError where it
    cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file to write.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} does not exist: make the folder, then save again.")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                for name, array in arrays.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_leftovers(path: str | Path) -> None:
    """Remove temporary files that a killed process has left beside ``path``."""
    path = Path(path)
    for leftover in path.parent.glob(f"{glob.escape(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)


def load_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote. FileNotFoundError, or ValueError for any other file."""
    path = Path(path)
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"{path} {problem}: give the .npz file of a saved model.")
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MOST * path.stat().st_size:
                raise ValueError("its arrays would be far larger than the file")
            arrays = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name == member.filename or name in arrays:
                    raise ValueError(f"{member.filename!r} is no array, or there twice")
                arrays[name] = _read(archive, member)
    except PermissionError:
        raise
    except Exception as error:  # damage comes as one of many types
        raise ValueError(
            f"{path} is not a file of saved arrays, or it is cut off ({error}): give an .npz file "
            "that was written by save()."
        ) from error
    return arrays


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):  # reading to the end also compares the checksum
            raise ValueError(f"there is more in {member.filename!r} than its array")
    return array


def check_arrays(
    arrays: Mapping[str, Any], expected: Mapping[str, NDArray[Any]], source: str
) -> None:
    """Check that ``arrays`` has exactly the names, shapes and dtypes of ``expected``.

    ValueError that begins with ``source`` and names the first difference.

    >>> check_arrays({"W": np.zeros(2)}, {"W": np.zeros(2), "b": np.zeros(1)}, "model.npz")
    Traceback (most recent call last):
        ...
    ValueError: model.npz lacks b: it was saved by another model
    """
    missing = [name for name in expected if name not in arrays]
    extra = [name for name in arrays if name not in expected]
    if missing or extra:
        lacks = f"lacks {_some(missing)}" if missing else ""
        has = f"has {_some(extra)}, which this model does not have" if extra else ""
        raise ValueError(
            f"{source} {' and '.join(filter(None, (lacks, has)))}: it was saved by another model"
        )
    for name, wanted in expected.items():
        found = np.asarray(arrays[name])
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            raise ValueError(
                f"{source}: {name} has shape {found.shape} and dtype {found.dtype}, but this model "
                f"needs shape {wanted.shape} and dtype {wanted.dtype}"
            )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
