"""How the process of the command line ends: nothing that Python does at an exit is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WORK = """
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from internvideo import __main__ as command

def late(word):
    time.sleep(0.2)
    print(word)

def main():
    atexit.register(print, "registered")
    threading.Thread(target=late, args=["thread"]).start()
    ThreadPoolExecutor(1).submit(late, "pool")
    print("main")
    return 7

command.main = main
command.command()
print("never")
"""


def test_threads_end_and_registered_work_runs():
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True)
    assert done.returncode == 7 and not done.stderr
    words = done.stdout.split()
    assert words[0] == "main" and sorted(words[1:3]) == ["pool", "thread"] and words[3:] == ["registered"]


SAYING = """
from internvideo import __main__ as command

def main():
    print("a result")
    return 0

command.main = main
command.command()
"""
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_cannot_be_written_is_told():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", SAYING], stdout=full, stderr=subprocess.PIPE, env=BUFFERED)
    assert done.returncode == 3 and b"No space left" in done.stderr and b"Traceback" not in done.stderr


def test_a_reader_that_has_gone_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-c", SAYING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=BUFFERED
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait() == 0 and not process.stderr.read()
