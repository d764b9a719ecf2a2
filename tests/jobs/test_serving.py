"""The HTTP interface on the small world of colours: what it says, what it refuses, and what it never gives away."""

import io
import json
import shutil
import threading

import numpy as np
import pytest
from PIL import Image

from internvideo.app import guards
from internvideo.app.server import make_app
from internvideo.jobs import serving
from internvideo.jobs.serving import Service
from tests.e2e.conftest import PROVE
from tests.search.colours import FILMS, indexed, vector, world

httpx = pytest.importorskip("httpx")
BASE = "http://127.0.0.1:8765"


class ColourAsker:
    """Knows the names of colours."""

    model = None

    def text(self, query):
        return vector(query) if query in ("red", "green", "blue", "white") else np.full(3, -(3**-0.5), np.float32)

    def picture(self, pixels):
        mean = pixels.reshape(-1, 3).mean(axis=0).astype(np.float32)
        return mean / np.linalg.norm(mean)

    def stretch(self, path, span=None):
        from internvideo.video.reader import open_video

        with open_video(path) as video:
            return self.picture(video.at_seconds([span.start + 0.1 if span else 0.1])[0])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    films = world(folder / "films")
    indexed(films, folder / "dataset")
    return folder


@pytest.fixture(scope="module")
def service(place):
    made = Service(place / "dataset")
    made.searcher.asker = ColourAsker()
    return made


def client_of(service, **how):
    from starlette.testclient import TestClient

    return TestClient(make_app(service, **how), base_url=BASE, raise_server_exceptions=True)


@pytest.fixture
def client(service):
    return client_of(service)


@pytest.fixture
def video(client):
    return {row["name"]: row["video"] for row in client.get("/videos").json()}


def test_words_pictures_and_stretches_find_their_moments(client, video):
    found = client.post("/search", json={"text": "red wall in Lisbon"}).json()
    assert found["relevant"] and found["hits"][0]["name"] == "one.mp4" and "Lisbon" in found["hits"][0]["why"]["words"]
    assert client.get("/search", params={"q": "zebra spaceship"}).json()["relevant"] is False
    assert client.get("/status").json()["videos"] == len(video), "a file that is no video does not count"
    out = io.BytesIO()
    Image.fromarray(np.full((30, 40, 3), (30, 30, 220), np.uint8)).save(out, "PNG")
    blue = client.post("/search/example", files={"file": ("pasted.png", out.getvalue(), "image/png")}).json()
    assert {hit["name"] for hit in blue["hits"]} == {"one.mp4", "three.mp4"}
    data = client.get(f"/videos/{video['one.mp4']}/file").content
    clip = client.post("/search/example", files={"file": ("x.mp4", data, "video/mp4")})
    assert clip.status_code == 200 and clip.json()["hits"]
    like = {"video": video["one.mp4"], "start": 1.2, "end": 2.4}
    green = client.post("/search", json={"like": like, "cut_off": 0.3}).json()
    assert {hit["name"] for hit in green["hits"]} >= {"sub/two.mp4", "three.mp4"}
    line = client.post("/search/timeline", json={"text": "red wall in Lisbon", "video": video["one.mp4"]}).json()
    assert max(line, key=lambda one: one["score"])["start"] < 1.2
    cuts = client.post("/search/cutlist?format=edl", json={"text": "red wall in Lisbon"})
    assert cuts.text.startswith("TITLE:") and "attachment" in cuts.headers["content-disposition"]


def test_a_file_comes_whole_and_in_ranges(client, video, place):
    true = (place / "films" / "one.mp4").read_bytes()
    address = f"/videos/{video['one.mp4']}/file"
    assert client.get(address).content == true
    part = client.get(address, headers={"range": "bytes=10-19"})
    assert (
        part.status_code == 206
        and part.content == true[10:20]
        and part.headers["content-range"].endswith(f"/{len(true)}")
    )
    assert client.get(address, headers={"range": f"bytes={len(true)}-"}).status_code == 416


def test_pictures_and_stretches_are_made_once(client, video, place):
    name = video["one.mp4"]
    for address, kind in ((f"/videos/{name}/frame?t=0.5", "JPEG"), (f"/videos/{name}/preview?start=0&end=1.2", "WEBP")):
        first = client.get(address)
        assert Image.open(io.BytesIO(first.content)).format == kind and "max-age" in first.headers["cache-control"]
        assert client.get(address).content == first.content
    red = np.asarray(Image.open(io.BytesIO(client.get(f"/videos/{name}/frame?t=0.5").content)))
    assert red[..., 0].mean() > 150 > red[..., 1].mean()
    played = client.get(f"/videos/{name}/play?start=0&end=1")
    assert played.headers["content-type"] == "video/mp4" and b"ftyp" in played.content[:16]
    assert client.get(f"/videos/{name}/play?start=0&end=1000").status_code == 400
    assert list((place / "dataset" / "cache" / "thumbnails").iterdir())


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/videos/nothing/file", None, 404),
        ("GET", "/videos/..%2F..%2Fetc%2Fpasswd/file", None, 404),
        ("GET", "/static/..%2F..%2Fserver.py", None, 404),
        ("GET", "/static/%2e%2e/server.py", None, 404),
        ("GET", "/clips/nothing", None, 404),
        ("GET", "/jobs/77", None, 404),
        ("POST", "/search", {"text": ""}, 400),
        ("POST", "/search", {"text": "x", "filters": {"where": ["nonsense>1"]}}, 400),
        ("POST", "/search", {"text": "x", "filters": {"since": "soon"}}, 400),
        ("POST", "/search", {"txt": "x"}, 422),
        ("POST", "/search", {"text": "\x00"}, 422),
        ("POST", "/search", {"text": "x", "top": 10**9}, 422),
        ("POST", "/search", {"like": {"video": "nothing", "start": 0, "end": 1}}, 400),
        ("POST", "/clips/count", {"ranges": [{"column": "nothing"}]}, 400),
        ("POST", "/verdicts", {"clip": "nothing", "verdict": "keep"}, 404),
        ("POST", "/verdicts", {"clip": "nothing", "verdict": "love"}, 422),
        ("POST", "/classify", {"video": "nothing", "labels": ["a", "b"]}, 404),
        ("GET", "/nowhere", None, 404),
    ],
)
def test_errors_are_typed_and_say_what_to_do(client, method, path, body, status):
    answer = client.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"kind", "problem", "hint"} and answer.json()["problem"]


def test_text_that_is_no_unicode_is_refused_not_fatal(client):
    answer = client.post("/search", content=b'{"text": "\\ud800"}', headers={"content-type": "application/json"})
    assert answer.status_code == 422 and "unicode" in answer.json()["problem"]


def test_nothing_outside_the_folders_is_served(tmp_path):
    """A file that became a link to the outside, or whose folder did, is gone for the server."""
    films, secret = world(tmp_path / "films"), tmp_path / "secret.mp4"
    indexed(films, tmp_path / "dataset")
    client = client_of(Service(tmp_path / "dataset"))
    video = {row["name"]: row["video"] for row in client.get("/videos").json()}
    secret.write_bytes((films / "one.mp4").read_bytes())
    (films / "one.mp4").unlink()
    (films / "one.mp4").symlink_to(secret)
    (films / "sub").rename(tmp_path / "moved")
    (films / "sub").symlink_to(tmp_path / "moved")
    for name in ("one.mp4", "sub/two.mp4"):
        for what in ("file", "frame?t=0.77", "preview?start=0&end=0.5", "play?start=0&end=1"):
            assert client.get(f"/videos/{video[name]}/{what}").status_code == 404
    assert client.get(f"/videos/{video['three.mp4']}/file").status_code == 200


def test_what_is_withheld_is_gone_at_once(place, tmp_path, monkeypatch):
    shutil.copytree(place / "dataset", tmp_path / "dataset")
    monkeypatch.setattr(serving, "FRESH_SECONDS", 0.0)
    service = Service(tmp_path / "dataset")
    client = client_of(service)
    (hit, *_) = client.get("/search", params={"q": "red wall in Lisbon"}).json()["hits"]
    with service.dataset.writer() as writer:
        writer.withhold(hit["video"], date="2026-01-01", reason="asked for")
    assert client.get("/search", params={"q": "red wall in Lisbon"}).json()["relevant"] is False


def test_other_sites_other_names_and_strangers_get_nothing(service):
    client = client_of(service)
    assert client.get("/status", headers={"host": "evil.example"}).status_code == 403
    assert client.post("/jobs", headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post("/jobs", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    plain = client.get("/")
    assert "access-control-allow-origin" not in plain.headers
    assert (
        "default-src 'none'" in plain.headers["content-security-policy"]
        and plain.headers["x-content-type-options"] == "nosniff"
    )
    guarded = client_of(service, token="secret", hosts=())
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"cookie": "internvideo-token=wrong"},
        {"authorization": "Bearer é"},
    ):
        raw = [(name, value.encode("utf-8")) for name, value in headers.items()]
        assert guarded.get("/status", headers=raw).status_code == 401
    assert guarded.get("/status", headers={"authorization": "Bearer secret"}).status_code == 200
    assert guarded.get("/?token=secret").status_code == 200
    assert guarded.get("/status").status_code == 200, "the page set the cookie"


def test_too_much_too_large_and_too_often_are_refused(service, monkeypatch):
    client = client_of(service)
    assert client.post("/search", content=b"x" * (guards.BODY_BYTES + 1)).status_code == 413
    assert client.post("/search", headers={"content-length": str(1 << 60)}, content=b"{}").status_code == 413
    assert client.post("/search", content=iter([b" " * 600_000] * 3)).status_code in (400, 413)
    monkeypatch.setattr(guards, "RATE", 0.001)
    codes = [client.get("/jobs").status_code for _ in range(int(guards.BURST) + 5)]
    assert 429 in codes and codes[0] == 200


def test_uploads_land_beside_the_dataset_and_are_indexed(place, tmp_path, monkeypatch):
    films = place / "films"
    shutil.copytree(place / "dataset", tmp_path / "dataset")
    service = Service(tmp_path / "dataset", upload_bytes=200_000)
    started = []
    monkeypatch.setattr(
        service, "index_again", lambda: started.append(1) or service.tasks.start("index", lambda tell: "done")
    )
    client = client_of(service)
    data = (films / "one.mp4").read_bytes()
    for asked, kept in (
        ("new.mp4", "new.mp4"),
        ("../../evil.mp4", "evil.mp4"),
        ("new.mp4", "new (2).mp4"),
        ("a\\b.mp4", "b.mp4"),
    ):
        answer = client.post("/videos", params={"name": asked}, content=data)
        assert answer.status_code == 202 and answer.json()["name"] == kept
    uploads = tmp_path / "dataset-uploads"
    assert sorted(path.name for path in uploads.iterdir()) == ["b.mp4", "evil.mp4", "new (2).mp4", "new.mp4"]
    assert (uploads / "new.mp4").read_bytes() == data and len(started) == 4
    for bad in ("x.exe", ".mp4", "", "a/"):
        assert client.post("/videos", params={"name": bad}, content=data).status_code == 400
    assert client.post("/videos", params={"name": "big.mp4"}, content=b"x" * 300_000).status_code == 413
    assert client.post("/videos", params={"name": "big.mp4"}, content=iter([b"x" * 100_000] * 3)).status_code == 413
    assert len(list(uploads.iterdir())) == 4, "nothing of a refused upload stays"


def test_jobs_tell_how_they_stand_and_stop(service, client):
    begun = threading.Event()

    def work(tell):
        begun.set()
        for at in range(1000):
            tell(at, 1000, "counting")
            threading.Event().wait(0.01)
        return "counted"

    task = service.tasks.start("count", work)
    begun.wait(5)
    quick = service.tasks.start("after it", lambda tell: "quick")
    assert client.get(f"/jobs/{quick.id}").json()["state"] == "waiting"
    assert client.delete(f"/jobs/{task.id}").status_code == 200
    with client.stream("GET", f"/jobs/{quick.id}/events") as events:
        rows = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
    assert rows[-1]["state"] == "done" and rows[-1]["said"] == "quick"
    assert client.get(f"/jobs/{task.id}").json()["state"] == "cancelled"
    assert client.get("/jobs").json()[0]["id"] == quick.id


def test_browsing_counts_like_a_loop_and_keeps_verdicts(client, place):
    about = client.get("/clips/overview").json()
    assert about["clips"] == sum(map(len, FILMS.values())) and about["failures"][0]["name"].endswith("broken.mp4")
    column = next(one for one in about["columns"] if one["name"] == "seconds")
    found = client.post(
        "/clips/count", json={"ranges": [{"column": "seconds", "low": 1.15}], "border": "seconds"}
    ).json()
    listed = client.post("/clips", json={"ranges": [{"column": "seconds", "low": 1.15}], "count": 200}).json()
    assert found["count"] == len(listed["clips"]) == sum(one["end"] - one["start"] >= 1.15 for one in listed["clips"])
    assert found["border"] and sum(found["bars"]["seconds"]["inside"]) == found["count"] and column["edges"]
    clip = listed["clips"][0]["clip"]
    assert client.post("/verdicts", json={"clip": clip, "verdict": "drop"}).json()["verdict"] == "drop"
    assert client.get(f"/clips/{clip}").json()["verdict"] == "drop"
    lines = (place / "dataset" / "verdicts.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[-1])["clip"] == clip
    down = client.post("/clips", json={"sort": "seconds", "down": True}).json()["clips"]
    lengths = [one["end"] - one["start"] for one in down]
    assert lengths == sorted(lengths, reverse=True)


def test_features_say_their_space(client, video, service):
    found = client.post("/features", json={"text": "red"}).json()
    assert found["model"] == "colours" and found["fingerprint"] == service.searcher.spec.fingerprint
    part = client.post("/features", json={"video": video["one.mp4"], "start": 0, "end": 1}).json()
    assert np.dot(part["vector"], found["vector"]) > 0.95
    assert client.post("/features", json={}).status_code == 400


def test_many_clients_at_once_get_the_same_answer(service, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(guards, "BURST", 10_000.0)
    client = client_of(service)
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: client.post("/search", json={"text": "signal lamps on a ship"}), range(128)))
    hits = {json.dumps(answer.json()["hits"]) for answer in answers}
    assert {answer.status_code for answer in answers} == {200} and len(hits) == 1


def test_the_openapi_page_has_every_address_and_the_error(client):
    spec = client.get("/openapi.json").json()
    wanted = {"/search", "/classify", "/features", "/videos", "/clips", "/jobs"}
    assert wanted <= set(spec["paths"]) and "ErrorBody" in spec["components"]["schemas"]


@pytest.mark.slow
def test_fuzzing_finds_no_server_error(service, monkeypatch):
    """Requests that the OpenAPI page allows, and such as it does not, never end in a 5xx."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings

    monkeypatch.setattr(guards, "RATE", 1e9)
    monkeypatch.setattr(guards, "BURST", 1e9)
    schema = schemathesis.openapi.from_asgi("/openapi.json", make_app(service, hosts=()))
    asked = []
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in ("/jobs/{number}/events", "/videos", "/jobs"):
            continue  # those start work, or last

        @settings(
            max_examples=300 if PROVE else 20, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @given(case=operation.as_strategy())
        def probe(case):
            answer = case.call()
            asked.append(answer.status_code)
            assert answer.status_code < 500, (case, answer.text)

        probe()
    assert len(asked) > 200 and {200, 404} <= set(asked)
