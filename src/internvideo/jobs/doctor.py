"""What works on this machine, what is missing, and what to do about it.

Looks at packages, codecs, memory, disk and GPU, and lets every encoder write a few frames that the reader must give
back by number. Changes nothing, fetches nothing, needs no video.
"""

import importlib.util
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CORE = ("numpy", "av", "pyarrow", "duckdb", "torch", "pillow", "safetensors", "regex", "ftfy", "rich")
DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mjpeg", "gif", "prores", "wmv2", "flv", "ffv1")
ENCODERS: tuple[
    tuple[str, str, str, dict[str, str]], ...
] = (  # name, container, pixel format, options that keep the library quiet
    ("libx264", "mp4", "yuv420p", {"preset": "ultrafast", "bf": "2", "g": "6"}),
    ("libx265", "mp4", "yuv420p", {"preset": "ultrafast", "x265-params": "log-level=none:keyint=6"}),
    ("libvpx-vp9", "webm", "yuv420p", {"deadline": "realtime", "cpu-used": "8"}),
    ("libsvtav1", "mp4", "yuv420p", {"preset": "12"}),
    ("mpeg4", "avi", "yuv420p", {}),
    ("mjpeg", "avi", "yuvj420p", {}),
    ("ffv1", "mkv", "yuv420p", {}),
)
TEST_FRAMES, SIDE, SQUARE = 12, 96, 16  # frames, and pixels of the picture and of each of its four squares
NEEDED = frozenset(("python", "numpy", "av", "pyarrow", "duckdb", "decoder h264", "self-test"))
GIB = 2**30


@dataclass(frozen=True)
class Check:
    """One thing looked at. hint: what to do, where it is not well."""

    name: str
    value: str
    ok: bool
    hint: str = ""


@dataclass(frozen=True)
class Report:
    """All that was looked at, in a fixed order."""

    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        """0 if what every command needs works, else 3."""
        return 0 if all(check.ok for check in self.checks if check.name in NEEDED) else 3

    def as_row(self) -> dict[str, Any]:
        """For JSON: `works`, and the checks."""
        return {"works": self.exit_code == 0, "checks": [asdict(check) for check in self.checks]}

    def as_text(self) -> str:
        """A line per check, those of a kind that are well on one line; a verdict last."""
        lines: list[tuple[str, str, str]] = []
        for check in self.checks:
            kind, _, what = check.name.partition(" ")
            if check.ok and what and lines and lines[-1][:2] == ("ok", kind):
                lines[-1] = ("ok", kind, f"{lines[-1][2]} {what}")
            elif check.ok and what:
                lines.append(("ok", kind, what))
            else:
                lines.append(("ok" if check.ok else "NO" if check.name in NEEDED else "--", check.name, check.value))
                if check.hint and not check.ok:
                    lines.append(("", "", f"-> {check.hint}"))
        width = max(len(name) for _, name, _ in lines)
        verdict = "the core works" if self.exit_code == 0 else "the core does not work: see the lines with NO"
        return "\n".join([*(f"{mark:<2}  {name:<{width}}  {value}" for mark, name, value in lines), "", verdict])


def doctor(folder: Path | None = None) -> Report:
    """Look at everything. folder: whose disk is asked for free space; by default the current one."""
    checks = [*_versions(), *_machine(folder or Path.cwd())]
    if importlib.util.find_spec("av"):
        checks += [*_codecs(), *_self_tests()]
    else:
        checks.append(Check("self-test", "not run", False, "pip install av"))
    checks += [*_extras(), _gpu()]
    return Report(tuple(replace(check, hint="") if check.ok else check for check in checks))


def _versions() -> Iterator[Check]:
    yield Check("internvideo", _version("internvideo") or "not installed", True)
    python = platform.python_version()
    yield Check("python", f"{python} on {platform.system()} {platform.machine()}", sys.version_info >= (3, 11))
    for name in CORE:
        found = _version(name)
        value = found or "missing"
        if found and name == "av":
            value = f"{found}, {_ffmpeg()}"
        yield Check(name, value, found is not None, f"pip install {name}")
    yield Check("sqlite", sqlite3.sqlite_version, sqlite3.sqlite_version_info >= (3, 24), "use a newer Python build")


def _ffmpeg() -> str:
    from av import ffmpeg_version_info, library_versions

    parts = [f"{library} " + ".".join(map(str, version)) for library, version in library_versions.items()]
    return f"FFmpeg {ffmpeg_version_info} ({', '.join(parts)})"


def _machine(folder: Path) -> Iterator[Check]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Check("cpu", f"{cores} core{'s' if cores != 1 else ''} to use", True)
    memory = memory_bytes()
    value = f"{memory / GIB:.1f} GiB" if memory else "cannot be told"
    enough = memory is None or memory >= 2 * GIB
    yield Check("memory", value, enough, "less than 2 GiB: use one worker (`--workers 1`)")
    free = shutil.disk_usage(folder).free
    yield Check("disk", f"{free / GIB:.1f} GiB free", free >= GIB, "less than 1 GiB: free some, or use another folder")


def memory_bytes() -> int | None:
    """Memory that this process may use: of the machine, or of its container if that is less. None: cannot be told."""
    found = []
    try:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        found += _windows_memory()
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(limit).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return min(found, default=None)


def _windows_memory() -> list[int]:
    if platform.system() != "Windows":
        return []
    import ctypes

    class Status(ctypes.Structure):
        """MEMORYSTATUSEX of the Windows API."""

        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong), ("bytes", ctypes.c_ulonglong * 7)]

    status = Status(length=ctypes.sizeof(Status))
    kernel: Any = vars(ctypes)["windll"].kernel32
    return [status.bytes[0]] if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else []


def _codecs() -> Iterator[Check]:
    for name in DECODERS:
        there = _has_codec(name, "r")
        yield Check(f"decoder {name}", "there" if there else "missing", there, "pip install --upgrade av")
    for name, *_ in ENCODERS:
        there = _has_codec(name, "w")
        yield Check(f"encoder {name}", "there" if there else "missing", there, "only some exports need it")


def _has_codec(name: str, mode: str) -> bool:
    from av.codec import Codec

    try:
        Codec(name, "r" if mode == "r" else "w")
    except ValueError:  # what PyAV's UnknownCodecError is
        return False
    return True


def _self_tests() -> Iterator[Check]:
    """Each encoder writes numbered frames; the reader gives them back in another order. The first decides."""
    passed = []
    with tempfile.TemporaryDirectory(prefix="internvideo-doctor-") as folder, _quiet_libraries():
        for name, container, pixels, options in ENCODERS:
            if not _has_codec(name, "w"):
                continue
            path = Path(folder) / f"{name}.{container}"
            said = _trouble(partial(_write_and_read, path, name, pixels, options))
            passed.append(not said)
            yield Check(f"self-test {name}", said or f"{TEST_FRAMES} frames by number", not said, "reinstall av")
    well = f"{sum(passed)} of {len(passed)} encoders read back frame by frame"
    yield Check("self-test", well, any(passed), "pip install --force-reinstall av")


def _trouble(test: Callable[[], str]) -> str:
    """What a self-test complains of; the words of whatever it raises, because any failure is an answer here."""
    try:
        return test()
    except Exception as failure:
        return f"{type(failure).__name__}: {str(failure).splitlines()[0] if str(failure) else ''}"


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """SVT-AV1 writes its greeting to stderr unless its environment variable says otherwise."""
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = "1"
    try:
        yield
    finally:
        os.environ.pop("SVT_LOG")
        if before is not None:
            os.environ["SVT_LOG"] = before


def _write_and_read(path: Path, encoder: str, pixels: str, options: dict[str, str]) -> str:
    """ "" if the frames come back by number, else what is wrong."""
    import av

    from internvideo.video.reader import open_video

    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=options)
        assert isinstance(stream, av.video.stream.VideoStream)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, pixels
        for number in range(TEST_FRAMES):
            frame = av.VideoFrame.from_ndarray(_numbered(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    order = [*range(TEST_FRAMES - 1, -1, -2), *range(0, TEST_FRAMES, 2)]
    with open_video(path) as video:
        if len(video) != TEST_FRAMES:
            return f"{TEST_FRAMES} frames written, {len(video)} read"
        read = [_number(picture) for picture in video.frames(order)]
    return "" if read == order else f"frames {order} asked for, {read} given"


def _numbered(number: int) -> "np.ndarray":
    """A grey picture whose four squares, white for 1, spell `number`."""
    import numpy as np

    picture = np.full((SIDE, SIDE, 3), 128, np.uint8)
    for bit in range(4):
        picture[:SQUARE, bit * SQUARE : (bit + 1) * SQUARE] = 235 if number >> bit & 1 else 16
    return picture


def _number(picture: "np.ndarray") -> int:
    middles = [picture[SQUARE // 2, bit * SQUARE + SQUARE // 2].mean() for bit in range(4)]
    return sum(1 << bit for bit, value in enumerate(middles) if value > 128)


def _extras() -> Iterator[Check]:
    """Optional packages that the extras of this package name."""
    try:
        wanted = metadata.requires("internvideo") or []
    except metadata.PackageNotFoundError:
        return
    extras: dict[str, list[str]] = {}
    for requirement in wanted:
        package, _, condition = requirement.partition(";")
        extra = condition.partition("extra ==")[2].strip(" '\"")
        name = package.split("[")[0].split(">")[0].split("=")[0].split("<")[0].strip()
        if extra and extra not in ("dev", "all") and name != "internvideo":
            extras.setdefault(extra, []).append(name)
    for extra, names in extras.items():
        found = {name: _version(name) for name in names}
        value = ", ".join(f"{name} {version or 'missing'}" for name, version in found.items())
        yield Check(f"extra {extra}", value, all(found.values()), f'pip install "internvideo[{extra}]"')


def _gpu() -> Check:
    hint = "not needed; training and embedding of large sets are quicker with one"
    try:
        torch = importlib.import_module("torch")
    except Exception as failure:
        return Check("gpu", f"torch cannot be loaded: {failure}", False, "pip install torch")
    if not torch.cuda.is_available():
        return Check("gpu", "none that torch can use", False, hint)
    names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return Check("gpu", ", ".join(f"{gpu.name} ({gpu.total_memory / GIB:.0f} GiB)" for gpu in names), True)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
