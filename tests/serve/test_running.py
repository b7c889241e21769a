"""Starting, stopping, several workers, and what refuses to start."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from services import SHELFAWARE, Service

LONG = "title,author,rating\n" + "Zzzz Qqqq,Nobody,4\n" * 16_000


@pytest.mark.parametrize(("workers", "by"), [(1, signal.SIGTERM), (1, signal.SIGINT), (2, signal.SIGTERM)])
def test_a_stop_leaves_nothing_behind(
    model_folder: Path, folder: Path, workers: int, by: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(folder))  # other services may run beside this one
    with Service(model_folder, f"sqlite:///{folder}/a.db", "--workers", str(workers)) as service:
        with service.client() as client:
            me = f"/v1/profiles/{client.post('/v1/profiles').json()['profile']}"
            brought = client.post(f"{me}/library", files={"file": ("a.csv", b"title,rating\nSecret Titlewort,4\n")})
            assert brought.status_code == 201
            client.get(f"{me}/recommendations")
        assert len(service.members()) >= 2
        assert bool(metric_folders(folder)) == (workers > 1)
        code, said = service.stop(by)
        assert code in (0, -by, 128 + by)
        assert "Traceback" not in said
        assert "Titlewort" not in said
        assert me.rpartition("/")[2] not in said
        wait_until(lambda: not service.members())
    assert not metric_folders(folder)


def metric_folders(folder: Path) -> list[Path]:
    return list(folder.glob("shelfaware-metrics-*"))


def wait_until(there: object, seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while not there():  # type: ignore[operator]
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_request_under_way_ends_well(model_folder: Path, folder: Path) -> None:
    answers: list[int] = []
    with Service(model_folder, f"sqlite:///{folder}/a.db") as service, service.client() as client:
        me = f"/v1/profiles/{client.post('/v1/profiles').json()['profile']}"

        def bring() -> None:
            answers.append(client.post(f"{me}/library", files={"file": ("a.csv", LONG.encode())}).status_code)

        bringing = threading.Thread(target=bring)
        bringing.start()
        wait_until(lambda: n_children(service) > 0)
        time.sleep(0.3)
        assert not answers
        code, _ = service.stop()
        bringing.join()
    assert answers == [201]
    assert code in (0, -signal.SIGTERM, 128 + signal.SIGTERM)


def n_children(service: Service) -> int:
    """How many processes the service has beside its own."""
    return len(service.members()) - 1


def test_two_workers_answer_as_one(model_folder: Path, folder: Path) -> None:
    with Service(model_folder, f"sqlite:///{folder}/a.db", "--workers", "2") as service:
        total = 40
        for _ in range(total):
            with service.client() as client:  # a connection each, so that both workers get some
                assert client.get("/v1/model").status_code == 200
        sums = [counted(service) for _ in range(5)]
        assert sums == [total] * 5


def counted(service: Service) -> int:
    with service.client() as client:
        found = re.search(r'requests_total\{route="/v1/model",status="200"\} ([0-9.]+)', client.get("/metrics").text)
    assert found is not None
    return round(float(found[1]))


def test_a_killed_service_leaves_no_reader_behind(model_folder: Path, folder: Path) -> None:
    with Service(model_folder, f"sqlite:///{folder}/a.db") as service:
        wait_until(lambda: len(service.members()) >= 2)
        service.process.kill()
        service.process.communicate()
        wait_until(lambda: not service.members())


def test_one_thread_for_the_sums(model_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "POLARS_MAX_THREADS"):
        monkeypatch.delenv(name, raising=False)
    with Service(model_folder, f"sqlite:///{folder}/a.db") as service:
        children = [one for one in service.members() if one != service.process.pid]
        assert children
        for child in children:
            environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            assert {b"OPENBLAS_NUM_THREADS=1", b"POLARS_MAX_THREADS=1"} <= set(environment)


REFUSED = {
    "no model": (["/no/such/model"], "there is no folder /no/such/model"),
    "another address": (["MODEL", "--host", "0.0.0.0"], "needs --token-file"),
    "no name": (["MODEL", "--host", "0.0.0.0", "--token-file", "FOLDER/t"], "say with --name HOST"),
    "a database that is none": (["MODEL", "--database", "mysql://a/b"], "mysql is not supported"),
    "a token file that is none": (["MODEL", "--token-file", "FOLDER/bad"], "is no file of tokens"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_served_is_said_at_once(model_folder: Path, folder: Path, why: str) -> None:
    given, sentence = REFUSED[why]
    (folder / "bad").write_text("bad\n")
    options = [one.replace("MODEL", str(model_folder)).replace("FOLDER", str(folder)) for one in given]
    if "--database" not in options:
        options += ["--database", f"sqlite:///{folder}/a.db"]
    done = subprocess.run([SHELFAWARE, "serve", *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
