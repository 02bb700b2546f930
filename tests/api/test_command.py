"""`modelwarden api` as a user starts it, and the function as a deployment sets it up."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelwarden.aws import api as function
from modelwarden.cli.serving import Server, is_loopback
from modelwarden.render.log import Event
from modelwarden.sandbox.server import Sandbox
from tests.cli.conftest import clean_environment
from tests.command import SCRIPT, inside

from .conftest import UNREADABLE, Told, question, sources_of
from .events import event


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, demo_sandbox: Sandbox) -> None:
    environment = clean_environment() | demo_sandbox.environment()
    with subprocess.Popen(
        [SCRIPT, "api", "--port", "0", "--retries", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        address = started.stdout.readline().split()[1].rstrip(";")
        body = json.dumps(question(UNREADABLE)).encode()
        asked = urllib.request.Request(f"{address}/decisions", body, {"content-type": "application/json"})
        with urllib.request.urlopen(asked, timeout=60) as response:
            told = json.loads(response.read())
        started.send_signal(signal.SIGTERM)
        out, err = started.communicate(timeout=60)
    assert (started.returncode, out) == (0, "stopped\n")
    assert (told["verdict"], told["advisory"]) == ("undecided", True)
    # Whom the credentials prove, and where a gate records: no pack names another place.
    assert told["request"]["principal"]["principal"] == "arn:aws:iam::111111111111:user/sandbox"
    assert (tmp_path / f".modelwarden/runs/{told['run']}.json").is_file()
    logged = [json.loads(line) for line in err.splitlines()]
    assert [(one["event"], one.get("run"), one.get("status")) for one in logged] == [
        ("decision", told["run"], None),
        ("call", None, 201),
    ]


def test_a_port_that_is_taken_has_a_next_step(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = inside("api", "--port", port, folder=tmp_path, environment=clean_environment())
    expected = (
        f"error: cannot listen on `127.0.0.1:{port}`: Address already in use\n  help: choose another one with --port\n"
    )
    assert (done.code, done.out, done.err) == (2, "", expected)


def test_settings_that_cannot_be_used_are_told_before_anything_is_served(tmp_path: Path) -> None:
    (tmp_path / "modelwarden.toml").write_text("nonsense = 1\n")
    done = inside("api", "--port", "0", folder=tmp_path, environment=clean_environment())
    assert (done.code, done.out) == (2, "")
    assert "nonsense" in done.err


def test_only_loopback_is_called_by_certain_names() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [
        *[True] * 3,
        *[False] * 2,
    ]
    with Server(lambda call: function.Reply(200, {}, call.path.encode()), "0.0.0.0") as server:
        asked = urllib.request.Request(
            server.address.replace("0.0.0.0", "127.0.0.1") + "/x", headers={"host": "a.example"}
        )
        with urllib.request.urlopen(asked, timeout=10) as response:
            assert response.read() == b"/x"


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Told, list[Event]]]:
    """Calls the function as it is set up by these variables."""
    log: list[Event] = []
    monkeypatch.setattr(function, "log_line", log.append)
    for name in [name for name in os.environ if name.startswith("MODELWARDEN_")]:
        monkeypatch.delenv(name)

    def call(**variables: str) -> tuple[Told, list[Event]]:
        for name, value in variables.items():
            monkeypatch.setenv(f"MODELWARDEN_{name}", value)
        function._service.cache_clear()
        told = function.handler(event("GET", "/controls"), None)
        function._service.cache_clear()
        return Told(told["statusCode"], told["headers"], told["body"].encode()), log

    return call


def test_a_function_without_a_place_that_instances_share_answers_nothing(
    set_up: Callable[..., tuple[Told, list[Event]]], tmp_path: Path
) -> None:
    """What one instance decided, another would not find; and its disk ends with it."""
    told, log = set_up()
    assert told.problem == (503, "unavailable", "the API is not set up")
    assert "names no bucket" in str(log[-1].fields["error"])
    (tmp_path / "modelwarden.toml").write_text(f'records = "{tmp_path}"\n')
    sources = sources_of(tmp_path)
    pack = {"ORGANIZATION": str(sources.organization), "ORGANIZATION_DIGEST": str(sources.organization_digest)}
    told, log = set_up(**pack)
    assert told.status == 503
    assert "names no bucket" in str(log[-1].fields["error"])
    told, log = set_up(**{**pack, "ORGANIZATION_DIGEST": "sha256:" + "0" * 64})
    assert told.status == 503
    assert "digest" in str(log[-1].fields["error"])
    assert b"digest" not in told.body


def test_an_answer_that_lambda_would_not_hand_on_is_told(
    lambda_: Callable[[Any], Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "_MOST_BYTES", 1_000)
    assert lambda_(event("GET", "/controls")).problem[:2] == (503, "unavailable")


def test_a_key_is_held_as_long_as_the_function_may_run() -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 28_500

    assert (function._seconds(Context()), function._seconds(None)) == (33, 900)
