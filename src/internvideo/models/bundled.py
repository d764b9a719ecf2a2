"""The weights that come with the package, as folders that `hub.save_pretrained` wrote, in half precision."""

from importlib.resources import files
from pathlib import Path


def bundled(name: str) -> Path | None:
    """The folder of the weights of a network; None if none come with the package."""
    folder = Path(str(files("internvideo"))) / "assets" / name
    return folder if (folder / "config.json").is_file() else None
