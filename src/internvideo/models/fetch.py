"""Weights by name or address into the cache, and from the cache to whoever loads them.

The network is used only by `fetch`, and by `resolve` for an address that the user wrote out. Every file in the cache
has a record beside it: where it came from, its SHA-256, and who stated that; where nobody did, the hash of the first
download is kept, and later loads are compared with it.

Environment: INTERNVIDEO_CACHE (folder), INTERNVIDEO_MIRROR or HF_ENDPOINT (takes the place of https://huggingface.co),
INTERNVIDEO_OFFLINE or HF_HUB_OFFLINE (no network at all), HF_TOKEN (for repositories that ask for consent).
"""

import hashlib
import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit
from zipfile import is_zipfile

from internvideo.errors import UsageError, nearest
from internvideo.models.bundled import bundled
from internvideo.models.download import AddressFailed, FetchError, Progress, discard, download, resumable, writing
from internvideo.models.weights import shown
from internvideo.models.zoo import ZOO, Checkpoint, checkpoints_of, find_checkpoint
from internvideo.records import Licence

Tell = Callable[[str], None]

HUB = "https://huggingface.co"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pyth")
BY_HAND = ("sharepoint.cn", "sharepoint.com", "1drv.ms", "onedrive.live.com", "drive.google.com", "pan.baidu.com")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


class Record(NamedTuple):
    """What is known of a file in the cache."""

    address: str  # "" if a person put it there
    sha256: str
    stated: str  # who states the hash: "publisher", "server", or "" for the first download
    size: int  # bytes


def cache_folder() -> Path:
    """INTERNVIDEO_CACHE, else the platform's folder for caches."""
    if chosen := os.environ.get("INTERNVIDEO_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "internvideo" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/internvideo"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "internvideo"


def is_offline() -> bool:
    """Whether the user forbids the network."""
    switches = (os.environ.get(name, "") for name in ("INTERNVIDEO_OFFLINE", "HF_HUB_OFFLINE"))
    return any(value.strip().lower() in ("1", "true", "yes", "on") for value in switches)


def local(name: str) -> Path | None:
    """Weights in the cache for a network, or that come with the package, or the file of one checkpoint.

    No network; files are not read.
    """
    known = [ZOO[name]] if name in ZOO and ZOO[name].model != name else checkpoints_of(name)
    return next((path for checkpoint in known if (path := present(checkpoint)) is not None), bundled(name))


def present(checkpoint: Checkpoint) -> Path | None:
    """The file of a checkpoint in the cache; also one that a person put there."""
    try:
        files = sorted(folder_of(checkpoint).iterdir())
    except OSError:
        return None
    return next((path for path in files if path.suffix in SUFFIXES), None)


def folder_of(checkpoint: Checkpoint) -> Path:
    """Where the file of a checkpoint lies, or would."""
    return cache_folder() / "weights" / checkpoint.name


def checkpoint_at(path: Path) -> Checkpoint | None:
    """The checkpoint of the zoo whose place in the cache this is."""
    known = ZOO.get(path.parent.name)
    return known if known is not None and path.parent.absolute() == folder_of(known).absolute() else None


def resolve(model_name: str, weights: str | Path, *, progress: Progress | None = None) -> Path:
    """The file that `weights` means for the network `model_name`.

    weights: a file; a folder that a training run or `save_pretrained` wrote; the name of a network whose weights come
    with the package; a name of the zoo, which must be in the cache; or an address (https://..., hf://owner/repo/file,
    owner/repo), which is downloaded once. Raises UsageError for what is none of these or belongs to another network,
    FetchError for what is not there or cannot be fetched.
    """
    text = str(weights)
    if Path(weights).is_file():
        return Path(weights)
    if (folder := saved_folder(weights) or bundled(text)) is not None:
        return folder / HUB_FILES[0]
    if text in ZOO or checkpoints_of(text):
        checkpoint = find_checkpoint(text)
        _must_fit(checkpoint, model_name)
        found = local(text)
        if found is None:
            raise FetchError(f"the weights `{checkpoint.name}` are not here", f"internvideo models fetch {text}")
        return found
    if isinstance(weights, str) and is_address(text):
        return fetch(at_address(text), progress=progress)
    if Path(weights).suffix in SUFFIXES or isinstance(weights, Path) or text[:1] in "./~":
        raise FetchError(f"there is no file {shown(Path(weights))}", "check the name, or give a name or an address")
    raise UsageError(f"`{text}` is no file, no address and no name of weights", nearest(text, ZOO))


def _must_fit(checkpoint: Checkpoint, model_name: str) -> None:
    if checkpoint.head_of:
        hint = f"a recipe takes it: `aesthetic.head={checkpoint.name}`"
        raise UsageError(f"`{checkpoint.name}` is a head over `{checkpoint.head_of}`, not a network", hint)
    if checkpoint.needs:
        raise UsageError(f"`{checkpoint.name}` waits for {checkpoint.needs}", "it can be fetched, not loaded yet")
    if checkpoint.model != model_name and not _starts(checkpoint.model, model_name):
        fitting = ", ".join(f"`{other.name}`" for other in checkpoints_of(model_name)[:4])
        hint = f"--model {checkpoint.model}" + (f", or weights of {model_name}: {fitting}" if fitting else "")
        raise UsageError(f"`{checkpoint.name}` are weights of `{checkpoint.model}`, not of `{model_name}`", hint)


def _starts(clip: str, model_name: str) -> bool:
    """Whether CLIP's weights of this name are what published training of that network began with."""
    family, _, size = clip.partition("-")
    return (
        family == "clip"
        and re.fullmatch(rf"(viclip|internvideo-mm|uniformerv2)-{size}(-336|-caption|-classifier)?", model_name)
        is not None
    )


def saved_folder(place: str | Path) -> Path | None:
    """The folder that `save_pretrained` wrote: `place` itself, or `model` in the folder of a training run."""
    return next((p for p in (Path(place), Path(place) / "model") if (p / HUB_FILES[0]).is_file()), None)


def is_address(text: str) -> bool:
    """https://..., hf://owner/repo/file, or a hub id owner/repo."""
    return "://" in text or (HUB_ID.fullmatch(text) is not None and Path(text).suffix not in SUFFIXES)


def at_address(address: str) -> Checkpoint:
    """An address as a checkpoint that the zoo does not know. Raises UsageError if it is not one."""
    if not is_address(address):
        raise UsageError(f"`{address}` is no address", "https://..., hf://owner/repo/file or owner/repo")
    repo = address.removeprefix("hf://")
    if HUB_ID.fullmatch(repo):
        repo, _, revision = repo.partition("@")
        addresses = tuple(f"hf://{repo}/{file}" + (f"@{revision}" if revision else "") for file in HUB_FILES)
    else:
        addresses = (address,)
    stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(urlsplit(address).path or address).stem)[:40].strip("-")
    name = f"{stem}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
    return Checkpoint(name, "", addresses, "", "", Licence("not known", address))


def fetch(checkpoint: Checkpoint, *, progress: Progress | None = None, tell: Tell | None = None) -> Path:
    """The file of a checkpoint, downloaded if it is not in the cache. Its addresses are tried in order.

    tell: receives a line when another process must be waited for. Raises FetchError.
    """
    if (found := present(checkpoint)) is not None:
        return found
    if is_offline():
        hint = f"unset INTERNVIDEO_OFFLINE and HF_HUB_OFFLINE, or put the file into {shown(folder_of(checkpoint))}"
        raise FetchError(f"`{checkpoint.name}` is not here, and the network is switched off", hint)
    with _alone(checkpoint.name, tell):
        if (found := present(checkpoint)) is not None:
            return found
        folder = folder_of(checkpoint)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        failures = []
        try:
            for address in checkpoint.addresses:
                try:
                    return _fetch_from(checkpoint, address, progress)
                except AddressFailed as failure:
                    failures.append((address, str(failure)))
            raise _no_address(checkpoint, failures)
        finally:
            with suppress(OSError):  # it stays if anything is in it
                folder.rmdir()


def _fetch_from(checkpoint: Checkpoint, address: str, progress: Progress | None) -> Path:
    url, token = _to_url(address)
    if _by_hand(address):
        raise AddressFailed("gives the file to a browser only")
    path = folder_of(checkpoint) / _file_name(url)
    part = path.with_name(path.name + ".part")
    by_server = download(url, part, token=token, progress=progress)
    problem = _not_weights(part)
    digest = _digest(part)
    stated = checkpoint.sha256 or by_server
    if not problem and stated not in ("", digest):
        problem = f"has the SHA-256 {digest}, but {stated} is stated"
    if problem:
        discard(part)
        raise AddressFailed(problem)
    who = "publisher" if checkpoint.sha256 else "server" if by_server else ""
    _write_record(path, Record(address, digest, who, part.stat().st_size))
    with writing(part):
        part.replace(path)
    discard(part)
    return path


def _not_weights(path: Path) -> str:
    """Why the file cannot be weights, by its first bytes and its length; "" if it can."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(256)
    if head.lstrip()[:1] == b"<":
        return "sent a web page, not weights"
    if head.startswith(b"version https://git-lfs"):
        return "sent a pointer of Git LFS, not the weights"
    if head[8:9] == b"{":  # safetensors: the header's length, the header, the numbers
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            try:
                header = json.loads(file.read(length)) if length < size else {}
                end = max((entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"))
            except (ValueError, KeyError, TypeError, AttributeError):
                return "sent a damaged safetensors file"
        return "" if size == 8 + length + end else "sent a safetensors file that is cut short"
    if head[:2] == b"PK":
        return "" if is_zipfile(path) else "sent a PyTorch file that is cut short"
    return "" if head[:1] == b"\x80" else f"sent something that is not weights (it begins with {head[:16]!r})"


def record_of(path: Path) -> Record | None:
    """The record beside a file of the cache."""
    try:
        return Record(**json.loads(_record_path(path).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def weights_hash(path: Path) -> str:
    """The SHA-256 of a file of weights, in hex; a file of the cache must still be what its record says.

    Raises FetchError if it is not. A file that a person put into the cache gets its record here.
    """
    digest, record, known = _digest(path), record_of(path), checkpoint_at(path)
    expected = record.sha256 if record is not None else known.sha256 if known is not None else ""
    if expected not in ("", digest):
        raise FetchError(
            f"{shown(path)} is not what it was: its SHA-256 is {digest}, expected {expected}",
            "delete it, and fetch it again",
        )
    if known is not None and record is None:
        _write_record(path, Record("", digest, "publisher" if known.sha256 else "", path.stat().st_size))
    return digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _write_record(path: Path, record: Record) -> None:
    with writing(path):
        _record_path(path).write_text(json.dumps(record._asdict(), indent=2) + "\n", "utf-8")


def _to_url(address: str) -> tuple[str, str]:
    """An address as https, and the token that goes with it."""
    endpoint = (os.environ.get("INTERNVIDEO_MIRROR") or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    if address.startswith("hf://"):
        parts, _, revision = address.removeprefix("hf://").partition("@")
        owner, repo, *path = parts.split("/")
        url = f"{endpoint}/{owner}/{repo}/resolve/{quote(revision or 'main', safe='')}/{quote('/'.join(path))}"
    elif address.startswith(HUB + "/"):
        url = endpoint + address.removeprefix(HUB).replace("/blob/", "/resolve/", 1)
    else:
        return address, ""
    return url, os.environ.get("HF_TOKEN", "")


def _is_hub(address: str) -> bool:
    return address.startswith(("hf://", HUB + "/"))


def _by_hand(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    return any(host == known or host.endswith("." + known) for known in BY_HAND)


def _file_name(url: str) -> str:
    name = re.sub(r"[^\w.+-]", "_", unquote(urlsplit(url).path).rpartition("/")[2])
    return name if Path(name).suffix in SUFFIXES else (name or "weights") + ".pth"


def _no_address(checkpoint: Checkpoint, failures: list[tuple[str, str]]) -> FetchError:
    tried = "".join(f"\n  {address}: {reason}" for address, reason in failures)
    folder = shown(folder_of(checkpoint))
    pages = [address for address, _ in failures if _by_hand(address)]
    gated = [
        address for address, reason in failures if address.startswith(("hf://", HUB)) and reason[:3] in ("401", "403")
    ]
    others = [other.name for other in checkpoints_of(checkpoint.model) if other.name != checkpoint.name][:3]
    hints = []
    if gated:
        page = HUB + "/" + "/".join(gated[0].removeprefix("hf://").removeprefix(HUB + "/").split("/")[:2])
        hints.append(f"accept the terms at {page} and set HF_TOKEN")
    if pages:
        hints.append(f"open {pages[0]} in a browser and put the file into {folder}")
    if any(resumable(part) for part in folder_of(checkpoint).glob("*.part")):
        hints.append("the same command goes on where this one stopped")
    if others and checkpoint.model:
        hints.append(f"other weights of {checkpoint.model}: {', '.join(others)}")
    hints.append("any file that you have is accepted: --weights FILE")
    return FetchError(f"`{checkpoint.name}` cannot be fetched:{tried}", "; or ".join(hints))


@contextmanager
def _alone(name: str, tell: Tell | None) -> Iterator[None]:
    """One process at a time per checkpoint: an SQLite transaction, which the system ends when its holder dies."""
    locks = cache_folder() / "locks"
    with writing(locks / name):
        locks.mkdir(parents=True, exist_ok=True)
    waiting = False
    try:
        connection = sqlite3.connect(locks / f"{name}.sqlite", timeout=0.0, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise _no_lock(locks, error) from error
    try:
        while True:
            try:
                connection.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise _no_lock(locks, error) from error
                if tell is not None and not waiting:
                    tell(f"another process is fetching `{name}`; waiting for it")
                waiting = True
                time.sleep(0.2)
        yield
    finally:
        connection.close()


def _no_lock(locks: Path, error: Exception) -> FetchError:
    return FetchError(
        f"cannot write in {shown(locks)}: {error}", "set INTERNVIDEO_CACHE to a folder that you may write"
    )
