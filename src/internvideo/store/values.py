"""What a value is: its key columns, the operator version it belongs to, and the shard and folder where it lies.

Knows names, schemas and hashes; opens nothing but `operator.toml`.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import pyarrow as pa

from internvideo.errors import DamagedDataset
from internvideo.store import durable, schema_text, toml_text
from internvideo.store.faults import shown, told

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
Grain = Literal["video", "clip", "dataset"]

VIDEO_KEY = pa.schema([("video", pa.string()), ("item", pa.int32())])
CLIP_KEY = pa.schema(
    [("video", pa.string()), ("stream", pa.int16()), ("start", pa.int64()), ("end", pa.int64()), ("item", pa.int32())]
)
SPAN_KEY = CLIP_KEY.remove(4)  # a clip itself, without `item`
INPUT = pa.field("input", pa.string())
WHOLE = ""  # stands for "all videos" where the ledger wants a video: results of dataset operators

SHA256 = re.compile(r"[0-9a-f]{64}")
OPERATOR_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
SURROGATE = re.compile("[\ud800-\udfff]")
OPERATOR_KEY = re.compile(r"[0-9]+-[0-9a-f]{8}")


@dataclass(frozen=True, eq=False)
class OperatorSpec:
    """What the store knows of an operator. Two specs are equal when their values are: same name, same fingerprint."""

    name: str
    version: int
    grain: Grain
    parameters: Mapping[str, JSON]  # all that changes the values: thresholds, model revision, prompt, decoder version
    schema: pa.Schema  # the key columns of the grain, then the operator's own; `input` is added by the store
    segmenter: bool = field(default=False)  # its rows are the clip set of its name

    def __post_init__(self) -> None:
        if not OPERATOR_NAME.fullmatch(self.name):
            raise ValueError(f"operator name `{self.name}`: use lower case letters, digits, `-` and `_`, at most 64")
        if self.version < 0:
            raise ValueError(f"operator `{self.name}`: version {self.version} is negative")
        key = VIDEO_KEY if self.grain == "video" else CLIP_KEY
        keys = (VIDEO_KEY, CLIP_KEY) if self.grain == "dataset" else (key,)
        if not any(_starts_with(self.schema, key) for key in keys):
            raise ValueError(f"operator `{self.name}`: a {self.grain} operator's schema starts with {key.names}")
        if len(set(self.schema.names)) < len(self.schema.names) or INPUT.name in self.schema.names:
            raise ValueError(f"operator `{self.name}`: columns must differ, and `input` belongs to the store")
        if not schema_text.from_text(schema_text.to_text(self.schema)).equals(self.schema):
            raise ValueError(f"operator `{self.name}`: fields inside lists and structs must be nullable")
        if self.segmenter and self.grain != "clip":
            raise ValueError(f"operator `{self.name}`: only a clip operator makes a clip set")

    @cached_property
    def text(self) -> str:
        """Canonical JSON of all that the values depend on; its SHA-256 is the fingerprint. Tuples count as lists."""
        content = {
            "name": self.name,
            "version": self.version,
            "grain": self.grain,
            "parameters": self.parameters,
            "schema": schema_text.to_text(self.schema),
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_mapping)

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.text.encode("ascii")).hexdigest()

    @property
    def key(self) -> str:
        """Name of its folder: `<version>-<first 8 digits of the fingerprint>`."""
        return f"{self.version}-{self.fingerprint[:8]}"

    @property
    def path(self) -> str:
        """`<name>/<key>`: names this version in commands and in views."""
        return f"{self.name}/{self.key}"

    @cached_property
    def keys(self) -> list[str]:
        """Names of the key columns."""
        return list(CLIP_KEY.names if _starts_with(self.schema, CLIP_KEY) else VIDEO_KEY.names)

    @cached_property
    def file_schema(self) -> pa.Schema:
        """What its shards hold: the schema as its text says it (no metadata, no names of list items), then `input`."""
        return schema_text.from_text(schema_text.to_text(self.schema)).append(INPUT)

    @cached_property
    def plain_schema(self) -> pa.Schema:
        """`file_schema` with categories as strings: how rows travel until they are written."""
        return schema_text.plain(self.file_schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OperatorSpec) and (self.name, self.text) == (other.name, other.text)

    def __hash__(self) -> int:
        return hash(self.text)


def shard_of(video: str, shards: int) -> int:
    """The shard in which all rows of `video` lie: the leading 8 hex digits of its SHA-256, modulo `shards`.

    Ids of records without a file (`ext:<catalogue>:<id>`) are hashed first. Raises ValueError for any other text.

    >>> shard_of("0000002a" + "0" * 56, 16)
    10
    """
    if not SHA256.fullmatch(video):
        if not (video.startswith("ext:") and video.count(":") >= 2):
            raise ValueError(f"a video is named by 64 hex digits or by ext:<catalogue>:<id>, got `{video}`")
        video = hashlib.sha256(video.encode("utf-8")).hexdigest()
    return int(video[:8], 16) % shards


def shard_name(shard: int, kind: str = "shard") -> str:
    """File of a shard: `shard-0042.parquet` for rows, `empty-0042.parquet` for videos that gave none."""
    return f"{kind}-{shard:04d}.parquet"


def write_operator(folder: Path, spec: OperatorSpec) -> None:
    """Write `operator.toml`, the full text behind the fingerprint, unless it is there already.

    Raises DamagedDataset if another text is there.
    """
    path = folder / "operator.toml"
    if path.is_file():
        if read_operator(folder) != spec:
            raise DamagedDataset(f"`{shown(path)}` is not the text behind {spec.path}", "run `dataset verify --repair`")
        return
    durable.make_folder(folder)
    durable.write_atomic(path, operator_text(spec).encode("utf-8"))


def operator_text(spec: OperatorSpec) -> str:
    """`operator.toml`: parameters as JSON (TOML has no null), the schema one column per line."""
    parameters = json.dumps(json.loads(spec.text)["parameters"], indent=2, sort_keys=True, ensure_ascii=False)
    parameters = SURROGATE.sub(
        lambda lone: f"\\u{ord(lone[0]):04x}", parameters
    )  # JSON can escape them, UTF-8 cannot hold
    return toml_text.dumps(
        {
            "name": spec.name,
            "version": spec.version,
            "grain": spec.grain,
            "segmenter": spec.segmenter,
            "fingerprint": spec.fingerprint,
            "schema": schema_text.to_text(spec.schema),
            "parameters": parameters,
        }
    )


def read_operator(folder: Path) -> OperatorSpec:
    """The spec in a folder of values. Raises DamagedDataset if it is missing or does not hash to the folder's name."""
    path = folder / "operator.toml"
    if not path.is_file():
        raise DamagedDataset(f"`{shown(path)}` is missing", "run the recipe that made these values again")
    with told("read", path):
        data = path.read_bytes()
    try:
        text = tomllib.loads(data.decode("utf-8"))
        spec = OperatorSpec(
            name=text["name"],
            version=text["version"],
            grain=text["grain"],
            parameters=json.loads(text["parameters"]),
            schema=schema_text.from_text(text["schema"]),
            segmenter=text["segmenter"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedDataset(f"`{shown(path)}` does not read: {error}", "run the recipe that made it again") from error
    if (spec.name, spec.key) != (folder.parent.name, folder.name) or spec.fingerprint != text.get("fingerprint"):
        raise DamagedDataset(
            f"`{shown(path)}` was changed: its text hashes to {spec.path}, fingerprint {spec.fingerprint[:16]}",
            "put the original back, or run the recipe that made it again",
        )
    return spec


def operator_folders(values: Path) -> list[Path]:
    """All `values/<operator>/<version>-<fingerprint8>` folders, sorted; other names are not looked at."""
    if not values.is_dir():
        return []
    with told("list", values):
        return sorted(
            folder
            for operator in values.iterdir()
            if OPERATOR_NAME.fullmatch(operator.name) and operator.is_dir()
            for folder in operator.iterdir()
            if OPERATOR_KEY.fullmatch(folder.name) and folder.is_dir()
        )


def _starts_with(schema: pa.Schema, key: pa.Schema) -> bool:
    return [(f.name, f.type) for f in schema][: len(key)] == [(f.name, f.type) for f in key]


def _mapping(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"operator parameters are text, numbers, booleans, None, lists and mappings; got {value!r}")
