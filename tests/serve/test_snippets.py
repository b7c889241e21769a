"""What docs/serve.md tells people to write, as it stands there: nginx, Caddy, the systemd unit, and the lines for a shell."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from clusters import new_folder
from services import SHELFAWARE, Service, free_port

from shelfaware.serve.limits import UPLOADS, WRITES
from shelfaware.serve.settings import MAX_BODY
from shelfaware.serve.storage import open_store
from shelfaware.serve.tokens import read_tokens

PAGE = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
NAME = "books.example.org"
PATIENCE = 30.0


def program(name: str, package: str = "") -> str:
    """Where a program is; the test skips where it is not."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"no {name} here; apt-get install {package or name}")
    return found


def snippet(language: str, holding: str = "") -> str:
    """The one block of docs/serve.md in this language that holds these words."""
    (found,) = [block for block in re.findall(rf"```{language}\n(.*?)```", PAGE, re.S) if holding in block]
    return str(found)


@pytest.fixture(scope="module")
def service(model_folder: Path) -> Iterator[Service]:
    folder = new_folder()
    with Service(model_folder, f"sqlite:///{folder}/a.db", "--name", NAME) as service:
        yield service
    shutil.rmtree(folder)


@contextmanager
def running(command: list[str], address: str, **environment: str) -> Iterator[httpx2.Client]:
    """A web server of our own, and a client that calls it by its name and takes its certificate as it is."""
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    client = httpx2.Client(base_url=address, headers={"Host": NAME}, verify=anyone, timeout=PATIENCE)
    client.event_hooks["request"] = [lambda request: request.extensions.update(sni_hostname=NAME)]
    server = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        _wait(client, server)
        yield client
    finally:
        client.close()
        server.terminate()
        server.communicate()


def _wait(client: httpx2.Client, server: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up and server.poll() is None:
        try:
            client.get("/healthz")
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    server.kill()
    raise RuntimeError(f"the web server does not start: {server.communicate()[0]}")


NGINX = """
USER
daemon off; pid FOLDER/nginx.pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy; fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
    ssl_certificate FOLDER/cert.pem; ssl_certificate_key FOLDER/key.pem;
    SERVER
}
"""

CADDY = """
{
    admin off
    local_certs
    skip_install_trust
    http_port %d
    https_port %d
}
%s
"""


@pytest.fixture
def behind_nginx(service: Service, folder: Path) -> Iterator[httpx2.Client]:
    nginx, openssl, port = program("nginx", "nginx-light"), program("openssl"), free_port()
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}", "-days", "1"]
    subprocess.run(
        [openssl, *made, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True
    )
    server = _here(snippet("nginx"), service).replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    user = "user root;" if os.geteuid() == 0 else ""  # else its worker could not write into our folder
    whole = NGINX.replace("FOLDER", str(folder)).replace("USER", user).replace("SERVER", server)
    (folder / "nginx.conf").write_text(whole)
    command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with running(command, f"https://127.0.0.1:{port}") as client:
        yield client


@pytest.fixture
def behind_caddy(service: Service, folder: Path) -> Iterator[httpx2.Client]:
    caddy, port = program("caddy"), free_port()
    (folder / "Caddyfile").write_text(CADDY % (free_port(), port, _here(snippet("caddyfile"), service)))
    command = [caddy, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    places = dict.fromkeys(("XDG_DATA_HOME", "XDG_CONFIG_HOME", "HOME"), str(folder))
    with running(command, f"https://127.0.0.1:{port}", **places) as client:
        yield client


def _here(text: str, service: Service) -> str:
    assert "127.0.0.1:8000" in text
    return text.replace("127.0.0.1:8000", f"127.0.0.1:{service.port}")


@pytest.fixture(params=["nginx", "caddy"])
def client(request: pytest.FixtureRequest) -> httpx2.Client:
    """Of the service behind each of the web servers in turn, as the page sets them up."""
    found: httpx2.Client = request.getfixturevalue(f"behind_{request.param}")
    return found


OURS = {"Origin": f"https://{NAME}", "Accept": "text/html"}
"""What a browser says that does not know Sec-Fetch-Site."""


def test_behind_a_web_server_everything_works(client: httpx2.Client) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/metrics").status_code == 403
    made = client.post("/rate", data={"book_id": "7", "stars": "4"}, headers=OURS)
    assert made.status_code == 303
    cookie = next(one for one in made.headers.get_list("set-cookie") if one.startswith("profile="))
    assert "Secure" in cookie.split("; ")
    assert (
        client.post("/rate", data={"book_id": "7", "stars": "4"}, headers={"Origin": "https://evil.example"}).status_code == 403
    )
    foreign = client.get("/healthz", headers={"Host": "evil.example"})
    assert "alive" not in foreign.text


def test_a_web_server_takes_files_as_large_as_the_service_does(client: httpx2.Client) -> None:
    profile = client.post("/v1/profiles", headers=OURS).json()["profile"]
    largest = b"title,author,rating\nZzzz Qqqq,Nobody,4\n" + b"\n" * (MAX_BODY - 100)
    brought = client.post(f"/v1/profiles/{profile}/library", files={"file": ("list.csv", largest)}, headers=OURS)
    assert brought.status_code == 201
    sent = client.post(f"/v1/profiles/{profile}/library", files={"file": ("list.csv", largest + b"\n" * 2**21)}, headers=OURS)
    assert sent.status_code == 413, sent.text


def test_behind_a_web_server_each_address_has_its_own_rate(client: httpx2.Client) -> None:
    """A web server says whose request it passes on, and what somebody claims to be is not believed."""
    answers = [
        client.post("/v1/profiles", headers={**OURS, "X-Forwarded-For": f"10.2.{turn}.1"}).status_code
        for turn in range(2 * WRITES.burst)
    ]
    assert 429 in answers


def test_systemd_takes_the_unit(folder: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    unit = snippet("ini", "[Unit]")
    (folder / "shelfaware.service").write_text(unit.replace("/srv/shelfaware/venv/bin/shelfaware", str(SHELFAWARE)))
    told = subprocess.run([analyze, "verify", folder / "shelfaware.service"], capture_output=True, text=True)
    assert (told.returncode, [line for line in told.stderr.splitlines() if "shelfaware.service" in line]) == (0, [])


def test_the_command_of_the_unit_starts(model_folder: Path, folder: Path) -> None:
    """With its folders here instead of there, and its service stopped as systemd would."""
    command = " ".join(re.findall(r"ExecStart=(.*?)\n[A-Z]", snippet("ini", "[Unit]"), re.S)[0].split("\\\n")).split()
    assert command[:2] == ["/srv/shelfaware/venv/bin/shelfaware", "serve"]
    here = {"/srv/shelfaware/model": model_folder, "/srv/shelfaware/tokens": folder / "tokens", "/var/lib/shelfaware": folder}
    options = command[2:]
    for there, place in here.items():
        options = [one.replace(there, str(place)) for one in options]
    assert not [one for one in options if one.startswith(("/srv", "/var"))]
    (folder / "tokens").write_text(hashlib.sha256(b"t").hexdigest() + "\n")
    model, rest = options[0], options[1:]
    database = rest[rest.index("--database") + 1]
    with Service(Path(model), database, *rest, "--name", "127.0.0.1") as service:
        with service.client(Host=NAME) as client:
            assert client.get("/v1/model", headers={"Authorization": "Bearer t"}).status_code == 200
            assert client.get("/v1/model").status_code == 401
        code, _ = service.stop()
    assert f"SuccessExitStatus={code}" in snippet("ini", "[Unit]") or code == 0


def shell(script: str, folder: Path) -> str:
    """What the lines say; every one must end well, curl also by what it was answered."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    strict = 'set -euo pipefail\ncurl() { command curl --fail-with-body --no-progress-meter "$@"; }\n'
    done = subprocess.run(
        ["bash", "-c", strict + script], cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answers_of(said: str) -> list[Any]:
    """The JSON documents that were written one after another."""
    decoder, found = json.JSONDecoder(), []
    while said := said.lstrip():
        document, end = decoder.raw_decode(said)
        found.append(document)
        said = said[end:]
    return found


def test_the_lines_for_curl_do_what_they_say(service: Service, folder: Path) -> None:
    program("curl")
    lines = snippet("bash", "curl -s").replace("http://127.0.0.1:8000", service.address)
    assert service.address in lines
    (folder / "goodreads_library_export.csv").write_text(
        "Book Id,Title,Author,My Rating,Exclusive Shelf\n1,Emma,Jane Austen,4,read\n2,A Book That Nobody Wrote,Nemo,3,read\n"
    )
    stateless, put, account, listed, unmatched, undone = answers_of(shell(lines, folder))
    assert len(stateless["recommendations"]) == len(listed["recommendations"]) == 5
    assert (put["version"], undone["version"]) == (1, 3)
    assert account["outcomes"] == {"rated": 1, "unmatched": 1}
    assert [row["title"] for row in unmatched["rows"]] == ["A Book That Nobody Wrote"]
    with (folder / "library.csv").open() as file:
        assert [row["rating"] for row in csv.DictReader(file)] == ["4"]


def test_another_token_is_another_line(folder: Path) -> None:
    lines = snippet("bash", "sha256sum").replace("/srv/shelfaware/", "")
    token, other = shell(lines + lines, folder).split()
    tokens = read_tokens(folder / "tokens")
    assert len(tokens.hashes) == 2
    assert tokens.holds(token)
    assert tokens.holds(other)
    assert len(token) == 43  # 256 bits, six in each character


def test_a_copy_of_the_database_is_whole(folder: Path) -> None:
    program("sqlite3")
    store = open_store(f"sqlite:///{folder}/serve.db")
    profile = store.create_profile()
    shell(snippet("bash", ".backup"), folder)
    store.close()
    copy = open_store(f"sqlite:///{folder}/copy.db")
    assert copy.shelf(profile).version == 0
    copy.close()


def test_every_option_that_is_named_exists() -> None:
    told = subprocess.run([SHELFAWARE, "serve", "--help"], capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})
    ours = {"--with", "--json"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE.partition("### systemd")[0]))
    assert named - ours <= set(re.findall(r"--[a-z][a-z-]+", told.stdout)) | {"--out"}


def test_the_limits_that_are_told_hold() -> None:
    from shelfaware.library.records import MOST_ROWS
    from shelfaware.serve.desk import MOST

    said = " ".join(PAGE.split())
    assert f"may make {WRITES.burst} profiles or stateless questions a minute and bring {UPLOADS.burst} files" in said
    assert f"A body has {MAX_BODY // 2**20} MiB at most, a file {MOST_ROWS:,} rows, an answer {MOST} books" in said
    assert WRITES.seconds == UPLOADS.seconds == 60
