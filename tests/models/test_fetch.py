"""Fetching against a server on this machine: the bytes arrive whole, or one clear message and a clean cache."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from internvideo.errors import UsageError
from internvideo.models import download, fetch
from internvideo.models.download import FetchError
from internvideo.models.zoo import ZOO, Checkpoint
from internvideo.records import Licence

from .loopback import Server, safetensors

DATA = safetensors()
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, a machine that is online, and no waiting between tries."""
    for name in ("OFFLINE", "MIRROR"):
        monkeypatch.delenv(f"INTERNVIDEO_{name}", raising=False)
    for name in ("HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_TOKEN", "http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INTERNVIDEO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    return tmp_path / "cache"


@pytest.fixture
def server():
    server = Server()
    server.files["/w.safetensors"] = DATA
    yield server
    server.close()


def weights(*addresses, sha256=""):
    return Checkpoint("toy", "", addresses, "", "", Licence("MIT"), sha256)


def left(cache) -> list[str]:
    """Names of the files in the cache, without locks."""
    return sorted(path.name for path in (cache / "weights").rglob("*") if path.is_file())


def ranges(server) -> list[str | None]:
    return [headers.get("range") for _, headers in server.asked]


def test_a_file_arrives_whole_with_a_record_that_says_nobody_stated_its_hash(server, cache):
    seen = []
    path = fetch.fetch(weights(server.url + "/w.safetensors"), progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == DATA
    assert fetch.record_of(path) == (server.url + "/w.safetensors", SHA256, "", len(DATA))
    assert left(cache) == ["w.safetensors", "w.safetensors.json"]
    assert seen[-1] == (len(DATA), len(DATA)) and seen == sorted(seen)


def test_what_is_there_is_not_fetched_again(server):
    checkpoint = weights(server.url + "/w.safetensors")
    first = fetch.fetch(checkpoint)
    server.files.clear()
    assert fetch.fetch(checkpoint) == first
    assert len(server.asked) == 1


@pytest.mark.parametrize("stops", [[1], [100, 50_000], [10_000] * 8])
def test_a_broken_connection_goes_on_where_it_stopped(server, stops):
    server.drops = list(stops)
    assert fetch.fetch(weights(server.url + "/w.safetensors")).read_bytes() == DATA
    starts = [sum(stops[: i + 1]) for i in range(len(stops))]
    assert ranges(server) == [None, *(f"bytes={start}-" for start in starts)]


def test_a_fetch_that_gave_up_is_taken_up_by_the_next(server, cache):
    server.drops = [60_000, 0, 0, 0]
    checkpoint = weights(server.url + "/w.safetensors")
    with pytest.raises(FetchError, match="broke off after 60,000 of") as caught:
        fetch.fetch(checkpoint)
    assert "goes on where this one stopped" in caught.value.hint
    assert left(cache) == ["w.safetensors.part", "w.safetensors.part.json"]
    assert fetch.fetch(checkpoint).read_bytes() == DATA
    assert ranges(server)[-1] == "bytes=60000-"
    assert left(cache) == ["w.safetensors", "w.safetensors.json"]


def test_a_file_that_changed_on_the_server_is_begun_again(server):
    server.drops = [60_000, 0, 0, 0]
    checkpoint = weights(server.url + "/w.safetensors")
    with pytest.raises(FetchError):
        fetch.fetch(checkpoint)
    server.etag, server.files["/w.safetensors"] = '"v2"', safetensors(value=9)
    assert fetch.fetch(checkpoint).read_bytes() == safetensors(value=9)


def test_a_file_that_became_shorter_on_the_server_is_begun_again(server):
    server.drops = [60_000, 0, 0, 0]
    checkpoint = weights(server.url + "/w.safetensors")
    with pytest.raises(FetchError):
        fetch.fetch(checkpoint)
    server.files["/w.safetensors"] = safetensors(1000)
    assert fetch.fetch(checkpoint).read_bytes() == safetensors(1000)


@pytest.mark.parametrize("how", ["no ranges", "no version", "weak version", "no length"])
def test_what_cannot_be_resumed_leaves_nothing(server, cache, how):
    server.ranges = how != "no ranges"
    server.etag = {"no version": "", "weak version": 'W/"v1"'}.get(how, '"v1"')
    server.lengths = how != "no length"
    server.drops = [60_000] * 9
    with pytest.raises(FetchError, match=r"broke off|cut short"):
        fetch.fetch(weights(server.url + "/w.safetensors"))
    assert left(cache) == []
    assert set(ranges(server)) == {None}


def test_a_process_killed_between_the_last_byte_and_the_last_step_asks_for_nothing_more(server, monkeypatch):
    checkpoint = weights(server.url + "/w.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(fetch, "_digest", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fetch.fetch(checkpoint)
    assert fetch.fetch(checkpoint).read_bytes() == DATA
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"<!DOCTYPE html><html>please sign in</html>", "web page"),
        (b"  \n<?xml version='1.0'?><Error>NoSuchKey</Error>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS"),
        (b'{"error": "quota"}', "not weights"),
        (b"#!/bin/bash\npython train.py", "not weights"),
        (b"", "not weights"),
        (DATA[:-1], "cut short"),
        (DATA + b"\0", "cut short"),
        ((40).to_bytes(8, "little") + b"{" * 40, "damaged"),
        (b"PK\x03\x04" + bytes(1000), "cut short"),
    ],
)
def test_what_is_no_whole_file_of_weights_is_refused_and_removed(server, cache, sent, told):
    server.files["/w.safetensors"] = sent
    with pytest.raises(FetchError, match=told):
        fetch.fetch(weights(server.url + "/w.safetensors"))
    assert left(cache) == []


def test_a_page_that_says_so_is_not_even_read(server, cache):
    def page(request):
        request.send_response(200)
        request.send_header("Content-Type", "text/html; charset=utf-8")
        request.end_headers()
        return True

    server.takes_over = page
    with pytest.raises(FetchError, match="web page"):
        fetch.fetch(weights(server.url + "/w.safetensors"))
    assert left(cache) == []


def test_the_next_address_is_tried_when_one_fails(server):
    path = fetch.fetch(weights(server.url + "/gone.safetensors", server.url + "/w.safetensors"))
    assert path.read_bytes() == DATA
    assert [asked for asked, _ in server.asked] == ["/gone.safetensors", "/w.safetensors"]


def test_all_failures_are_told_when_no_address_works(server, cache):
    closed = Server()
    closed.close()
    with pytest.raises(FetchError) as caught:
        fetch.fetch(weights(server.url + "/gone.pth", closed.url + "/w.pth"))
    assert "404 Not Found" in caught.value.problem and "no connection" in caught.value.problem
    assert not (cache / "weights" / "toy").exists()


def test_a_hash_that_the_publisher_states_is_checked(server, cache):
    with pytest.raises(FetchError, match=f"SHA-256 {SHA256}, but {'0' * 64} is stated"):
        fetch.fetch(weights(server.url + "/w.safetensors", sha256="0" * 64))
    assert left(cache) == []
    path = fetch.fetch(weights(server.url + "/w.safetensors", sha256=SHA256))
    assert fetch.record_of(path).stated == "publisher"


@pytest.mark.parametrize("stated", [SHA256, "0" * 64])
def test_the_hash_that_the_hub_states_is_checked(server, cache, monkeypatch, stated):
    monkeypatch.setenv("INTERNVIDEO_MIRROR", server.url)
    monkeypatch.setenv("HF_TOKEN", "secret")
    storage = Server()
    storage.files["/blob"] = DATA

    def redirect(request):
        request.send_response(302)
        request.send_header("Location", storage.url.replace("127.0.0.1", "localhost") + "/blob?signature=1")
        request.send_header("X-Linked-Etag", f'"{stated}"')
        request.send_header("Content-Length", "0")
        request.end_headers()
        return True

    server.takes_over = redirect
    checkpoint = weights("hf://owner/repo/sub dir/k400+k710.safetensors@v1.0")
    if stated == SHA256:
        path = fetch.fetch(checkpoint)
        assert fetch.record_of(path).stated == "server"
    else:
        with pytest.raises(FetchError, match="is stated"):
            fetch.fetch(checkpoint)
        assert left(cache) == []
    storage.close()
    assert server.asked[0][0] == "/owner/repo/resolve/v1.0/sub%20dir/k400%2Bk710.safetensors"
    assert server.asked[0][1]["authorization"] == "Bearer secret"
    assert all("authorization" not in headers for _, headers in storage.asked), "a secret went to another host"


@pytest.mark.parametrize("target", ["http://example.com/w.pth", "file:///etc/passwd", "ftp://127.0.0.1/w.pth"])
def test_nothing_leads_away_from_https(server, cache, target):
    def redirect(request):
        request.send_response(302)
        request.send_header("Location", target)
        request.end_headers()
        return True

    server.takes_over = redirect
    for address in (server.url + "/w.safetensors", target):
        with pytest.raises(FetchError, match=r"not https|not allowed"):
            fetch.fetch(weights(address))
    assert left(cache) == []


def test_a_repository_that_asks_for_consent_is_named(server, monkeypatch):
    monkeypatch.setenv("INTERNVIDEO_MIRROR", server.url)
    server.takes_over = lambda request: request.send_error(401) or True
    with pytest.raises(FetchError) as caught:
        fetch.fetch(weights("hf://owner/repo/w.pth"))
    assert "accept the terms at https://huggingface.co/owner/repo and set HF_TOKEN" in caught.value.hint


def test_a_server_that_is_busy_is_asked_again(server):
    answers = [503, 429]
    server.takes_over = lambda request: bool(answers) and (request.send_error(answers.pop()) or True)
    assert fetch.fetch(weights(server.url + "/w.safetensors")).read_bytes() == DATA


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_leaves_nothing(server, cache, monkeypatch, code):
    written = []

    def write(file, block):
        if sum(map(len, written)) > 50_000:
            raise OSError(code, os.strerror(code))
        written.append(block)
        file.write(block)

    monkeypatch.setattr(download, "BLOCK", 10_000)
    monkeypatch.setattr(download, "_write", write)
    with pytest.raises(FetchError, match="disk is full") as caught:
        fetch.fetch(weights(server.url + "/w.safetensors"))
    assert "INTERNVIDEO_CACHE" in caught.value.hint
    assert not (cache / "weights" / "toy").exists()


def test_a_disk_that_is_too_full_is_told_before_the_first_byte(server, cache, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 1000))
    with pytest.raises(FetchError, match="too full"):
        fetch.fetch(weights(server.url + "/w.safetensors"))
    assert left(cache) == []


def test_a_cache_that_cannot_be_written_is_named(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("INTERNVIDEO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(FetchError, match="cannot write in") as caught:
        fetch.fetch(weights(server.url + "/w.safetensors"))
    assert "INTERNVIDEO_CACHE" in caught.value.hint


@pytest.mark.parametrize("switch", ["INTERNVIDEO_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_means_no_request(server, monkeypatch, switch):
    monkeypatch.setenv(switch, "1")
    with pytest.raises(FetchError, match="switched off"):
        fetch.fetch(weights(server.url + "/w.safetensors"))
    assert server.asked == []


def test_two_that_want_the_same_file_fetch_it_once(server):
    server.drops = [1000, 1000]
    checkpoint, paths, told = weights(server.url + "/w.safetensors"), [], []
    workers = [
        threading.Thread(target=lambda: paths.append(fetch.fetch(checkpoint, tell=told.append))) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(set(paths)) == 1 and len(paths) == 4
    assert paths[0].read_bytes() == DATA
    assert len(server.asked) == 3


@pytest.mark.slow
def test_a_killed_process_is_taken_up_by_the_next(server, cache):
    served, hold = threading.Event(), threading.Event()

    def half(request):
        if request.headers.get("Range"):
            return False
        request.send_response(200)
        request.send_header("Content-Length", str(len(DATA)))
        request.send_header("ETag", server.etag)
        request.end_headers()
        request.wfile.write(DATA[:70_000])
        request.wfile.flush()
        served.set()
        hold.wait(60)
        return True

    server.takes_over = half
    code = (
        "import sys; from internvideo.models.fetch import fetch; from internvideo.models.zoo import Checkpoint;"
        "from internvideo.records import Licence;"
        "fetch(Checkpoint('toy', '', (sys.argv[1],), '', '', Licence('MIT')))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, server.url + "/w.safetensors"])
    part = cache / "weights" / "toy" / "w.safetensors.part"
    assert served.wait(60)
    deadline = time.monotonic() + 20
    while (not part.exists() or part.stat().st_size < 1000) and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    hold.set()
    begun = part.stat().st_size
    assert 0 < begun <= 70_000 and fetch.present(weights()) is None
    assert fetch.fetch(weights(server.url + "/w.safetensors")).read_bytes() == DATA
    assert ranges(server)[-1] == f"bytes={begun}-"


def test_weights_behind_a_browser_page_are_put_there_by_a_person(cache):
    checkpoint = ZOO["viclip-b-16-200m"]
    with pytest.raises(FetchError) as caught:
        fetch.fetch(checkpoint)
    folder = cache / "weights" / "viclip-b-16-200m"
    assert checkpoint.addresses[0] in caught.value.hint and str(folder) in caught.value.hint
    assert fetch.local("viclip-b-16") is None
    folder.mkdir(parents=True)
    placed = folder / "ViCLIP-B_InternVid-200M.pth"
    placed.write_bytes(DATA)
    assert fetch.local("viclip-b-16") == fetch.fetch(checkpoint) == placed
    assert fetch.record_of(placed) is None
    assert fetch.weights_hash(placed) == SHA256
    assert fetch.record_of(placed) == ("", SHA256, "", len(DATA))
    placed.write_bytes(safetensors(value=8))
    with pytest.raises(FetchError, match="is not what it was"):
        fetch.weights_hash(placed)


def test_a_file_put_there_by_a_person_must_have_the_stated_hash(cache):
    folder = cache / "weights" / "clip-b-16"
    folder.mkdir(parents=True)
    (folder / "ViT-B-16.pt").write_bytes(DATA)
    with pytest.raises(FetchError, match=ZOO["clip-b-16"].sha256):
        fetch.weights_hash(folder / "ViT-B-16.pt")


def test_the_hash_of_any_other_file_is_only_told(tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(DATA)
    assert fetch.weights_hash(tmp_path / "mine.safetensors") == SHA256
    assert [path.name for path in tmp_path.iterdir()] == ["mine.safetensors"]


def test_a_fetched_file_that_changed_is_refused(server):
    path = fetch.fetch(weights(server.url + "/w.safetensors"))
    path.write_bytes(DATA[:-1] + b"\0")
    with pytest.raises(FetchError, match="is not what it was"):
        fetch.weights_hash(path)


class TestResolve:
    def test_a_file_is_always_accepted(self, tmp_path):
        (tmp_path / "owner").mkdir()
        file = tmp_path / "owner" / "mine"
        file.write_bytes(DATA)
        assert fetch.resolve("viclip-b-16", file) == fetch.resolve("viclip-b-16", str(file)) == file

    def test_a_name_never_uses_the_network_but_names_the_command(self, monkeypatch):
        monkeypatch.setattr(fetch, "download", lambda *_, **__: pytest.fail("used the network"))
        with pytest.raises(FetchError) as caught:
            fetch.resolve("clip-b-16", "clip-b-16")
        assert caught.value.hint == "internvideo models fetch clip-b-16"

    def test_a_name_finds_what_is_in_the_cache(self, cache):
        for name in ("clip-b-16-hf", "viclip-l-14-div"):
            (cache / "weights" / name).mkdir(parents=True)
            (cache / "weights" / name / "model.safetensors").write_bytes(DATA)
        assert fetch.resolve("clip-b-16", "clip-b-16").parent.name == "clip-b-16-hf"
        assert fetch.resolve("viclip-l-14", "viclip-l-14-div").parent.name == "viclip-l-14-div"
        assert fetch.local("viclip-l-14").parent.name == "viclip-l-14-div"
        assert fetch.local("viclip-l-14-flt") is None

    def test_weights_of_another_network_are_refused_by_name(self):
        with pytest.raises(UsageError, match="weights of `viclip-l-14`, not of `viclip-b-16`") as caught:
            fetch.resolve("viclip-b-16", "viclip-l-14-flt")
        assert "--model viclip-l-14" in caught.value.hint

    def test_weights_that_wait_for_a_later_step_say_so(self):
        with pytest.raises(UsageError, match="waits for the question answering task"):
            fetch.resolve("internvideo-mm-l-14", "internvideo-mm-l-14-msvd-qa")

    def test_an_address_is_downloaded_once(self, server):
        first = fetch.resolve("viclip-b-16", server.url + "/w.safetensors")
        assert first == fetch.resolve("viclip-b-16", server.url + "/w.safetensors")
        assert first.read_bytes() == DATA and len(server.asked) == 1

    def test_a_hub_id_means_its_safetensors_or_its_pickle(self, server, monkeypatch):
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.files["/owner/repo/resolve/main/pytorch_model.bin"] = b"\x80\x02}q\x00."
        assert fetch.resolve("viclip-b-16", "owner/repo").name == "pytorch_model.bin"
        server.files["/owner/two/resolve/abc/model.safetensors"] = DATA
        assert fetch.resolve("viclip-b-16", "owner/two@abc").name == "model.safetensors"

    @pytest.mark.parametrize("given", ["nothing.pth", "weights/nothing.pth", "./nothing", Path("owner/repo")])
    def test_a_file_that_is_not_there_is_no_hub_id(self, given):
        with pytest.raises(FetchError, match="there is no file"):
            fetch.resolve("viclip-b-16", given)

    def test_a_misspelt_name_gets_the_nearest(self):
        with pytest.raises(UsageError) as caught:
            fetch.resolve("viclip-l-14", "viclip-l-14-ftl")
        assert "viclip-l-14-flt" in caught.value.hint


def test_the_record_is_plain_json(server):
    path = fetch.fetch(weights(server.url + "/w.safetensors"))
    record = json.loads(path.with_name(path.name + ".json").read_text("utf-8"))
    assert record == {"address": server.url + "/w.safetensors", "sha256": SHA256, "stated": "", "size": len(DATA)}


def test_clip_starts_the_networks_that_were_made_from_it_and_no_others(cache):
    for name in ("viclip-b-16", "internvideo-mm-b-16", "uniformerv2-b-16"):
        with pytest.raises(FetchError, match="`clip-b-16` are not here"):
            fetch.resolve(name, "clip-b-16")
    for name in ("viclip-l-14", "videomae-b-16", "openclip-b-16"):
        with pytest.raises(UsageError, match="not of"):
            fetch.resolve(name, "clip-b-16")
