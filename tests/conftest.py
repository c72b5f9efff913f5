"""The real pictures, for the tests that check published numbers."""

from __future__ import annotations

import os
from pathlib import Path

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
