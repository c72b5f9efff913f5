"""The real pictures, for the tests that check published numbers; and the scores, after the tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# before NumPy is imported: processes side by side that each take all cores wait for one another
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest


def real_data() -> Path:
    """Return the folder of the real data, or skip the test, saying why."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("TINYGRAD_EDU_DATA", beside))
    if not folder.is_dir():
        pytest.skip("needs the real data: ../shared/data is missing, TINYGRAD_EDU_DATA is not set")
    return folder


@pytest.fixture(scope="session")
def catvnoncat_folder() -> Path:
    """The folder of the course's two files."""
    pytest.importorskip("h5py", reason="needs h5py to read the real data")
    return real_data() / "catvnoncat"


@pytest.fixture(scope="session")
def catvnoncat(catvnoncat_folder: Path) -> tuple[np.ndarray, ...]:
    """train_x (209, 64, 64, 3), train_y (1, 209), test_x, test_y, classes: the course's files."""
    from nn.datasets import load_cats

    return tuple(load_cats(catvnoncat_folder))


@pytest.fixture
def publish(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Show a line after all tests, from whichever process."""
    return lambda line: record_property("published", line)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.getreports(kind)]
    for report in reports:
        for name, line in report.user_properties:
            if name == "published" and report.when == "call":
                terminalreporter.write_line(line)
