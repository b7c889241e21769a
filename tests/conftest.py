"""What every room's tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of data sets that are not the project's own."""
    folder = Path(os.environ.get("SHELFAWARE_DATA", ROOT / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SHELFAWARE_DATA")
    return folder
