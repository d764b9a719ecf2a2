"""Images with a caption each, as CC3M and CC12M list them.

Two columns separated by a tab, no header: CC3M has caption and address, CC12M address and caption. The address may also
be the path of a file below the root. Nothing is downloaded.
"""

from collections.abc import Iterator

from internvideo.datasets.lists import BadList, joined, lines
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of

DOWNLOADED = "{shard:05d}/{row:09d}.jpg"  # img2dataset, output "files", 10,000 images per shard
PER_SHARD = 10_000
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def read_image_list(path: PathLike, root: PathLike, *, file: str = DOWNLOADED, corpus: str = "images") -> Samples:
    """One sample per line. file: where the image of line `row`, counted from 0, lies if its line has a web address."""
    return Samples(_samples(path, root, file, corpus))


def _samples(path: PathLike, root: PathLike, file: str, corpus: str) -> Iterator[Sample]:
    for row, line in enumerate(lines(path)):
        first, tab, second = line.partition("\t")
        if not tab:
            raise BadList(f"line {row + 1} of `{path}` has no tab: `{line:.80}`", "expected a caption and an address")
        image, caption = (first, second) if _is_image(first) and not _is_address(second) else (second, first)
        place = file.format(shard=row // PER_SHARD, row=row) if _is_address(image) else image
        yield Sample(uid_of(corpus, image), joined(root, place), captions=(caption,), source=image, media="image")


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def _is_image(text: str) -> bool:
    return _is_address(text) or text.lower().endswith(SUFFIXES)
