"""Killed at any instant, an index goes on and is the same in the end; the served page stays up beside it."""

import json
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.e2e.conftest import run_cli, value_files

pytestmark = pytest.mark.slow
MODEL = ("--model", "viclip-b-16-debug")


def search(dataset, text):
    return json.loads(run_cli("search", text, "--dataset", dataset, "--json", "--nearest", check=0).stdout)


def test_a_killed_index_goes_on_and_loses_nothing(films, tmp_path, prove):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    began = time.monotonic()
    run_cli("index", films, "--out", whole, *MODEL, check=1)
    lasts = time.monotonic() - began
    rng = random.Random(0)
    for _ in range(30 if prove else 2):
        command = [sys.executable, "-m", "internvideo", "index", str(films), "--out", str(killed), *MODEL]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(rng.uniform(0.2, lasts))
            process.send_signal(signal.SIGKILL)
    run_cli("index", films, "--out", killed, *MODEL, check=1)
    assert value_files(killed) == value_files(whole)
    first, second = (search(place, "a red circle moves left") for place in (killed, whole))
    assert first["nearest"] == second["nearest"] and first["hits"] == second["hits"]
    assert run_cli("dataset", "verify", killed, check=0).returncode == 0


def test_slow_clients_hold_up_nobody(films, tmp_path, prove):
    dataset = tmp_path / "dataset"
    run_cli("index", films, "--out", dataset, *MODEL, check=1)
    command = [sys.executable, "-m", "internvideo", "serve", str(dataset), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        address = server.stdout.readline().strip()
        host, port = address.removeprefix("http://").rstrip("/").split(":")
        slow = [socket.create_connection((host, int(port))) for _ in range(200 if prove else 64)]
        for number, connection in enumerate(slow):  # half of them never end their headers, half never send the body
            words = b"POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            connection.sendall(words + (b"Content-Length: 99\r\n\r\n{" if number % 2 else b"X-Slow: "))
        with urllib.request.urlopen(f"{address}search?q=circle", timeout=60) as answer:
            assert answer.status == 200 and "hits" in json.loads(answer.read())
        for connection in slow:
            connection.close()
        server.terminate()


def test_the_demo_of_ones_own_folder_ends_with_a_page_that_answers(films, tmp_path):
    done = run_cli("demo", films, "--out", tmp_path / "demo", check=0)
    assert "answered with" in done.stdout and "internvideo serve" in done.stdout
    assert "report: file://" in done.stdout
