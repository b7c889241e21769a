"""The tables of results in README.md and docs/figures.md are what was measured."""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results.json"
MACHINE = {"cpu": "Some CPU", "cores": 2, "memory_gb": 8.0, "os": "Some OS"}
FIGURES = [
    {"what": "test MSE", "values": [0.5702, 0.58149], "least": None, "most": 0.58, "unit": "", "judged": "each", "met": False},
    {"what": "rows", "values": [1234, 1234], "least": 1234, "most": 1234, "unit": "", "judged": "each", "met": True},
    {"what": "faster", "values": [50.04, 71, 90], "least": 60, "most": None, "unit": "x", "judged": "median", "met": True},
    {"what": "coverage", "values": [0.9], "least": 0.88, "most": 0.92, "unit": "", "judged": "each", "met": True},
    {"what": "theirs", "values": [12.34, 5.678, 40], "least": None, "most": None, "unit": "s", "judged": "median", "met": None},
]
TABLE = """
| what | target | measured | met |
|---|---:|---:|:---:|
| test MSE | <= 0.580 | 0.570 to 0.581 | **no** |
| rows | 1,234 | 1,234 | yes |
| faster | >= 60 x | 71 x | yes |
| coverage | 0.880 to 0.920 | 0.900 | yes |

| beside it | measured |
|---|---:|
| theirs | 12.3 s |

Measured 2030-01-02 on Some CPU, 2 cores, 8 GB, Some OS; python 3.11.1.
Beside it: keras 3.9.

"""


def write_results(*arguments: object) -> int:
    return subprocess.run([sys.executable, ROOT / "scripts/write-results", *map(str, arguments)], check=False).returncode


def test_the_pages_are_current() -> None:
    assert write_results("--check") == 0, "run scripts/write-results"


LEADERBOARD = [
    *(("the notebook's split: gp: " + what, [value]) for what, value in (("MSE", 0.57), ("AUC", 0.75), ("fit", 4))),
    *(("the notebook's split: best: " + what, [value]) for what, value in (("MSE", 0.56), ("nDCG@10, A", 0.6))),
    ("the notebook's split: ease: nDCG@10, A", [0.64]),
    ("five random splits: best: MSE", [0.58]),
    ("five random splits: best: MSE, 95 % interval", [0.57, 0.59]),
    ("Surprise SVD: test MSE", [0.66, 0.67]),
]
BOARD = """
| model | MSE, five random splits | MSE, notebook's split | inside 90 % | AUC | nDCG@10, A | fit |
|---|---:|---:|---:|---:|---:|---:|
| `best` | 0.580 (0.570 to 0.590) | 0.560 |  |  | 0.600 |  |
| `gp` |  | 0.570 |  | 0.750 |  | 4 |
| `ease` |  |  |  |  | 0.640 |  |
| Surprise SVD | | 0.660 to 0.670 | | | |  |
| Surprise SVD++ | |  | | | |  |
| myFM, rank 32 | |  | | | |  |
| the notebook's network | |  | | | |  |

"""


def test_the_leaderboard_has_the_least_error_first(tmp_path: Path) -> None:
    page, results = tmp_path / "README.md", tmp_path / "results.json"
    plain = {"least": None, "most": None, "unit": "", "judged": "each", "met": None}
    figures = [{"what": what, "values": values, **plain} for what, values in LEADERBOARD]
    group = {"date": "2030-01-02T03:04:05+00:00", "machine": MACHINE, "versions": {"python": "3.11.1"}, "figures": figures}
    results.write_text(json.dumps({"groups": {"leaderboard": group}}))
    page.write_text("<!-- leaderboard -->\n<!-- /leaderboard -->\n")
    assert write_results(page, results) == 0
    assert page.read_text() == f"<!-- leaderboard -->\n{BOARD}<!-- /leaderboard -->\n"


def test_the_table_is_written_and_checked(tmp_path: Path) -> None:
    readme, results = tmp_path / "README.md", tmp_path / "results.json"
    group = {"date": "2030-01-02T03:04:05+00:00", "machine": MACHINE, "versions": {"python": "3.11.1"}}
    results.write_text(json.dumps({"groups": {"all": {**group, "rivals": {"keras": "3.9"}, "figures": FIGURES}}}))
    readme.write_text("above\n<!-- results -->\nold\n<!-- /results -->\nbelow\n")
    assert write_results("--check", readme, results) == 1
    assert "old" in readme.read_text()
    assert write_results(readme, results) == 0
    assert readme.read_text() == f"above\n<!-- results -->\n{TABLE}<!-- /results -->\nbelow\n"
    assert write_results("--check", readme, results) == 0


def test_a_readme_without_a_place_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing here\n")
    assert write_results(readme, RESULTS) == 0
    assert readme.read_text() == "nothing here\n"


def test_met_is_what_the_values_say() -> None:
    groups = json.loads(RESULTS.read_text(encoding="utf-8"))["groups"]
    figures: list[dict[str, Any]] = [figure for group in groups.values() for figure in group["figures"]]
    for figure in figures:
        low = -float("inf") if figure["least"] is None else figure["least"]
        high = float("inf") if figure["most"] is None else figure["most"]
        values = [statistics.median(figure["values"])] if figure["judged"] == "median" else figure["values"]
        promised = figure["least"] is not None or figure["most"] is not None
        assert figure["met"] is (low <= min(values) and max(values) <= high if promised else None), figure["what"]
