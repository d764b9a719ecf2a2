"""The HTTP skin of `jobs.serving`: addresses, types and status codes; the page is in `static/`."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.routing import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from internvideo import __version__
from internvideo.app import wire
from internvideo.app.guards import LOOPBACK, Guard, Refused
from internvideo.errors import InternVideoError, MissingVideo, StoreError, UsageError, VideoError
from internvideo.jobs.browse import Range
from internvideo.jobs.media import facts_of
from internvideo.jobs.search import answer_row
from internvideo.jobs.serving import Service, is_picture
from internvideo.jobs.tasks import Task
from internvideo.search.cutlist import CUT_LISTS
from internvideo.search.engine import Question

STATIC = Path(__file__).parent / "static"
LOOK_SECONDS, SIGN_SECONDS = 0.25, 10.0
EXAMPLE_BYTES = 64 << 20  # of a picture or clip to search with
Video = Annotated[str, Query(max_length=300)]
AnyError: dict[int | str, dict[str, Any]] = {
    status: {"model": wire.ErrorBody} for status in (400, 401, 403, 404, 408, 409, 413, 422, 429)
}
MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/webm",
}


def make_app(service: Service, *, token: str | None = None, hosts: tuple[str, ...] = LOOPBACK) -> Guard:
    """The application. token: asked of everybody. hosts: names that it may be called by; empty for any."""
    app = FastAPI(title="internvideo", version=__version__, docs_url=None, redoc_url=None)
    app.include_router(questions(service))
    app.include_router(networks(service))
    app.include_router(videos(service))
    app.include_router(browsing(service))
    app.include_router(work(service))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_api_route("/", lambda: FileResponse(STATIC / "index.html"), include_in_schema=False)
    app.add_exception_handler(InternVideoError, _problem)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Refused, _refused)
    return Guard(app, hosts=hosts, token=token, upload_bytes=service.upload_bytes)


def questions(service: Service) -> APIRouter:
    """Search."""
    router = APIRouter(responses=AnyError)

    def asked(body: wire.SearchBody) -> Question:
        like = None if body.like is None else (body.like.video, body.like.span())
        filters = body.filters.filters()
        return service.question(body.text, like=like, filters=filters, top=body.top, cut_off=body.cut_off)

    def answered(ask: Question, nearest: bool) -> dict[str, Any]:
        searcher = service.searcher
        row = answer_row(searcher.search(ask), nearest=nearest)
        return {**row, "notes": searcher.notes if ask.text else []}

    @router.post("/search", response_model=wire.AnswerBody)
    def search(body: wire.SearchBody) -> dict[str, Any]:
        """Moments that show what is asked for."""
        return answered(asked(body), body.nearest)

    @router.get("/search", response_model=wire.AnswerBody)
    def search_words(q: wire.Text, top: Annotated[int, Query(ge=1, le=500)] = 24) -> dict[str, Any]:
        """The same for words alone."""
        return answered(service.question(q, top=top), True)

    @router.post("/search/example", response_model=wire.AnswerBody)
    def search_example(file: Annotated[UploadFile, File()], top: Annotated[int, Query(ge=1, le=500)] = 24) -> Any:
        """Moments like a picture or a short clip; the file is not kept."""
        from tempfile import NamedTemporaryFile

        data = file.file.read(EXAMPLE_BYTES + 1)
        if len(data) > EXAMPLE_BYTES:
            raise UsageError(f"an example of more than {EXAMPLE_BYTES >> 20} MB", "cut it")
        if is_picture(file.filename or "") or (file.content_type or "").startswith("image/"):
            return answered(service.question(picture=data, top=top, cut_off=0.5), True)
        with NamedTemporaryFile(suffix=".mp4") as kept:
            kept.write(data)
            kept.flush()
            return answered(service.question(clip=Path(kept.name), top=top), True)

    @router.post("/search/timeline")
    def timeline(body: wire.TimelineBody) -> list[dict[str, float]]:
        """The score of every moment of one video."""
        facts_of(service.searcher.engine.moments, body.video)
        found = service.searcher.engine.timeline(asked(body), body.video)
        return [{"start": span.start, "end": span.end, "score": round(score, 4)} for span, score in found]

    @router.post("/search/cutlist", response_class=Response)
    def cutlist(body: wire.SearchBody, format: Annotated[str, Query(pattern="^(csv|edl|ffmpeg)$")] = "csv") -> Response:
        """The hits as a file for editing programs."""
        kind, make = CUT_LISTS[format]
        hits = service.searcher.search(asked(body)).hits
        text = make(hits, service.searcher.rates).encode("utf-8", "surrogateescape")
        suffix = {"ffmpeg": "sh"}.get(format, format)
        return Response(text, media_type=kind, headers={"content-disposition": f'attachment; filename="cuts.{suffix}"'})

    return router


def networks(service: Service) -> APIRouter:
    """Classify, features."""
    router = APIRouter(responses=AnyError)

    @router.post("/classify")
    def classify(body: wire.ClassifyBody) -> dict[str, Any]:
        """What a video shows among labels of one's own, stretch by stretch."""
        return service.classify(body.video, body.labels, body.seconds)

    @router.post("/features")
    def features(body: wire.FeaturesBody) -> dict[str, Any]:
        """The vector of words or of a stretch of a video, and the space that it can be compared in."""
        span = None
        if body.start is not None and body.end is not None:
            span = wire.Stretch(video=body.video, start=body.start, end=body.end).span()
        return service.features(body.text, body.video, span)

    return router


def videos(service: Service) -> APIRouter:
    """Videos, their bytes and pictures, and new ones."""
    router = APIRouter(responses=AnyError)
    pictures = {"cache-control": "private, max-age=86400"}

    def facts(video: str) -> Any:
        return facts_of(service.searcher.engine.moments, video)

    @router.get("/videos")
    def list_videos() -> list[dict[str, Any]]:
        """All videos that are there."""
        return service.videos()

    @router.get("/videos/{video}/file", response_class=FileResponse)
    def file(video: str) -> FileResponse:
        """The source file; ranges of bytes may be asked for."""
        path = service.media.file_of(facts(video))
        return FileResponse(path, media_type=MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream"))

    @router.get("/videos/{video}/frame", response_class=Response)
    def frame(video: str, t: wire.Second = 0.0) -> Response:
        """A small picture of one moment."""
        return Response(service.media.frame(facts(video), t), media_type="image/jpeg", headers=pictures)

    @router.get("/videos/{video}/preview", response_class=Response)
    def preview(video: str, start: wire.Second, end: wire.Second) -> Response:
        """A small moving picture of a stretch."""
        span = wire.Stretch(video=video, start=start, end=end).span()
        return Response(service.media.preview(facts(video), span), media_type="image/webp", headers=pictures)

    @router.get("/videos/{video}/play", response_class=FileResponse)
    def play(video: str, start: wire.Second, end: wire.Second) -> FileResponse:
        """A stretch in a form that every browser plays."""
        span = wire.Stretch(video=video, start=start, end=end).span()
        return FileResponse(service.media.playable(facts(video), span), media_type="video/mp4")

    @router.post("/videos", status_code=202)
    async def upload(request: Request, name: wire.Name) -> dict[str, Any]:
        """A new video: its bytes are the body. It is indexed in the background."""
        with service.receiving(name) as (out, place):
            async for chunk in request.stream():
                await run_in_threadpool(out.write, chunk)
        return {"name": place.name, "job": service.index_again().as_row()}

    return router


def browsing(service: Service) -> APIRouter:
    """The dataset: distributions, clips, groups, verdicts."""
    router = APIRouter(responses=AnyError)
    View = Annotated[wire.Name | None, Query()]

    def ranges(body: wire.CountBody) -> list[Range]:
        return [Range(one.column, one.low, one.high) for one in body.ranges]

    @router.get("/clips/overview")
    def overview(view: View = None) -> dict[str, Any]:
        """Funnel, distributions, failures and facts of a view."""
        return service.browser(view).overview()

    @router.post("/clips/count")
    def count(body: wire.CountBody) -> dict[str, Any]:
        """How many clips are within some ranges, and those at a border."""
        return service.browser(body.view).count(ranges(body), body.border)

    @router.post("/clips")
    def clips(body: wire.ListBody) -> dict[str, Any]:
        """Clips within some ranges, some at a time."""
        more = {"sort": body.sort, "down": body.down, "first": body.first, "count": body.count}
        return service.browser(body.view).clips(ranges(body), **more)  # type: ignore[arg-type]

    @router.get("/clips/groups")
    def groups(
        view: View = None, first: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
        count: Annotated[int, Query(ge=1, le=200)] = 20,
    ) -> dict[str, Any]:  # fmt: skip
        """Groups of near-duplicates."""
        return service.browser(view).groups(first, count)

    @router.get("/clips/{clip}")
    def clip(clip: str, view: View = None) -> dict[str, Any]:
        """Scores and captions of one clip."""
        return service.browser(view).clip(clip)

    @router.post("/verdicts")
    def judge(body: wire.VerdictBody) -> dict[str, Any]:
        """What a person says of a clip; added to `verdicts.jsonl`."""
        return service.browser(body.view).judge(body.clip, body.verdict)

    return router


def work(service: Service) -> APIRouter:
    """What stands behind the answers: status, networks, background work."""
    router = APIRouter(responses=AnyError)

    @router.get("/status")
    def status() -> dict[str, Any]:
        """The dataset and the network that answer."""
        return service.status()

    @router.get("/models")
    def models() -> dict[str, Any]:
        """Networks, weights and licences."""
        return service.models()

    @router.get("/jobs")
    def jobs() -> list[dict[str, Any]]:
        """Background work, newest first."""
        return [task.as_row() for task in service.tasks.all()]

    @router.post("/jobs", status_code=202)
    def start() -> dict[str, Any]:
        """Look through the dataset's folders for what is new, changed or gone."""
        return service.index_again().as_row()

    @router.get("/jobs/{number}")
    def job(number: int) -> dict[str, Any]:
        """One of them."""
        return service.tasks.get(number).as_row()

    @router.delete("/jobs/{number}")
    def cancel(number: int) -> dict[str, Any]:
        """Stop it; what is finished is kept."""
        task = service.tasks.get(number)
        task.cancel.set()
        return task.as_row()

    @router.get("/jobs/{number}/events", response_class=StreamingResponse)
    def events(number: int) -> StreamingResponse:
        """Its progress, as server-sent events, until it has ended."""
        lines = _following(service.tasks.get(number))
        return StreamingResponse(lines, media_type="text/event-stream", headers={"cache-control": "no-store"})

    return router


async def _following(task: Task) -> AsyncIterator[str]:
    """An event whenever the task has changed, and a sign of life in between; waits without a thread."""
    seen, quiet = -1, 0.0
    while True:
        if task.version != seen:
            seen, quiet = task.version, 0.0
            yield f"data: {json.dumps(task.as_row())}\n\n"
            if task.ended:
                return
        elif quiet > SIGN_SECONDS:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_SECONDS)
        quiet += LOOK_SECONDS


def _problem(request: Request, error: Exception) -> Response:
    """Errors of ours as JSON."""
    assert isinstance(error, InternVideoError)
    gone, wrong, busy = isinstance(error, MissingVideo), isinstance(error, UsageError), isinstance(error, StoreError)
    status = 404 if gone else 400 if wrong else 409 if busy else 422 if isinstance(error, VideoError) else 409
    return _json(status, error.kind, error.problem, error.hint)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse(error.body, error.status)


def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _json(422, "request", f"{where}: {first['msg']}", "/openapi.json tells what is expected")


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json(error.status_code, "http", str(error.detail), "/openapi.json lists the addresses", error.headers)


def _json(status: int, kind: str, problem: str, hint: str, headers: Any = None) -> Response:
    said = {"kind": kind, "problem": _printable(problem), "hint": _printable(hint)}
    return JSONResponse(said, status, headers=dict(headers or {}))


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
