"""What curating a whole corpus would cost, and what the order of the stages does to it: arithmetic, nothing is read.

`internvideo curate --estimate --assume clips=234M,gpus=64`. Rates that are not ours are published ones, named beside
the field; all can be assumed differently. Prices are assumptions alone.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from internvideo.errors import UsageError, nearest
from internvideo.jobs.talk import columns, size

HOUR = 3600.0
SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9}


@dataclass(frozen=True)
class Corpus:
    """What is assumed. Rates are per core or per GPU; `x` means seconds of video per second."""

    clips: float = 234e6  # InternVid
    clip_seconds: float = 11.7  # InternVid, mean
    clips_per_video: float = 33.0  # InternVid: 234 M of 7.1 M videos
    gpus: float = 8
    cores: float = 0  # 0: 16 per GPU
    decode_x: float = 14.0  # one thread, 720p, H.264 at 4.6 Mbit/s: about 420 frames/s
    encode_x: float = 2.7  # the same, x264 veryfast
    measures: float = 0.5  # shots, scores and hashes of the shared pass, as a share of its decoding
    passes: float = 4  # decode passes of a chain of separate tools: cuts, scores, vectors, frames for captions
    picture_rate: float = 1000.0  # clips/s of which a network scores a few frames (Open-Sora's aesthetics, one H800)
    caption_rate: float = 1.96  # clips/s (Cosmos, table 3: VILA-13B on one H100, FP8, 8 frames)
    answer_tokens: float = 240.0  # per caption (there: 470.6 tokens/s at that rate)
    prompt_tokens: float = 5001.0  # per question with pictures (cosmos-curate's sample run)
    speech_x: float = 780 / 54  # faster-whisper large-v2, fp16, V100S: 13 minutes in 54 s
    good_share: float = 0.68  # of clips that pass filters (UltraVideo, short videos)
    copy_share: float = 0.30  # of clips that are semantic duplicates (Cosmos)
    per_video: float = 1.5  # clips drawn by DIV, times the number of videos (InternVid: 10.6 M of 7.1 M)
    bytes_per_second: float = 36e12 / (167e3 * HOUR)  # of source video (Panda-70M: 167 K hours in 36 TB)
    value_bytes_per_second: float = 400.0  # rows of all operators together
    vector_bytes: float = 1024.0  # 512 numbers of 16 bits
    core_price: float = 0.04  # per core-hour, in money
    gpu_price: float = 2.5  # per GPU-hour

    @property
    def hours(self) -> float:
        return self.clips * self.clip_seconds / HOUR

    @property
    def all_cores(self) -> float:
        return self.cores or 16 * self.gpus


def assumed(text: str) -> Corpus:
    """`clips=234M,gpus=64` -> the corpus. Raises UsageError for an unknown name or a value that is no number over 0.

    >>> assumed("clips=1.5M").clips
    1500000.0
    """
    known = {field.name for field in fields(Corpus)}
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        if name not in known:
            raise UsageError(f"--assume: nothing is called `{name}`", nearest(name, known))
        factor = SUFFIXES.get(value[-1:].lower(), 1.0)
        try:
            found[name] = float(value[:-1] if factor > 1 else value) * factor
        except ValueError:
            found[name] = -1.0
        if not 0 < found[name] < 1e18:
            raise UsageError(f"--assume: `{part}` is no number over 0", "write it like clips=234M,gpus=64")
    return replace(Corpus(), **found)


@dataclass(frozen=True)
class Cost:
    """Of one stage, or of a whole order of stages."""

    name: str
    clips: float
    core_hours: float = 0.0
    gpu_hours: float = 0.0
    tokens: float = 0.0

    def money(self, corpus: Corpus) -> float:
        return self.core_hours * corpus.core_price + self.gpu_hours * corpus.gpu_price

    def days(self, corpus: Corpus) -> float:
        """With all cores and GPUs busy at the same time."""
        return max(self.core_hours / corpus.all_cores, self.gpu_hours / corpus.gpus) / 24


def one_pass(corpus: Corpus) -> Cost:
    """Decoding everything once."""
    return Cost("decode once", corpus.clips, core_hours=corpus.hours / corpus.decode_x)


def stages(corpus: Corpus) -> list[Cost]:
    """Each stage over all clips."""
    all_clips, decode = corpus.clips, one_pass(corpus).core_hours
    pictures = all_clips / corpus.picture_rate / HOUR
    return [
        one_pass(corpus),
        Cost("shots, scores, hashes", all_clips, core_hours=decode * corpus.measures),
        Cost("vectors and match", all_clips, gpu_hours=pictures),
        Cost("aesthetics", all_clips, gpu_hours=pictures),
        captions(corpus, all_clips),
        Cost("speech", all_clips, gpu_hours=corpus.hours / corpus.speech_x),
        Cost("cutting by encoding again", all_clips, core_hours=corpus.hours / corpus.encode_x),
    ]


def captions(corpus: Corpus, clips: float) -> Cost:
    tokens = clips * (corpus.prompt_tokens + corpus.answer_tokens)
    return Cost("captions", clips, gpu_hours=clips / corpus.caption_rate / HOUR, tokens=tokens)


def orders(corpus: Corpus) -> list[Cost]:
    """Whole recipes without speech, the dearest first: each line changes one thing. clips: those with a caption."""
    decode, every = one_pass(corpus).core_hours, corpus.clips
    measures, pictures = decode * corpus.measures, 2 * every / corpus.picture_rate / HOUR
    good = every * corpus.good_share
    single = good * (1 - corpus.copy_share)
    drawn = min(single, corpus.per_video * corpus.clips / corpus.clips_per_video)
    separate = corpus.passes * decode + measures
    found = []
    for name, clips, core_hours in (
        ("caption all, a pass per tool, clips encoded", every, separate + corpus.hours / corpus.encode_x),
        ("caption all, a pass per tool", every, separate),
        ("caption all, one shared pass", every, decode + measures),
        ("filter, then caption", good, decode + measures),
        ("filter, drop copies, then caption", single, decode + measures),
        ("filter, drop copies, DIV, then caption", drawn, decode + measures),
    ):
        said = captions(corpus, clips)
        found.append(Cost(name, clips, core_hours, pictures + said.gpu_hours, said.tokens))
    return found


def written(corpus: Corpus) -> dict[str, float]:
    """Bytes: of the sources, and of what a dataset keeps (no media)."""
    seconds = corpus.clips * corpus.clip_seconds
    values = seconds * corpus.value_bytes_per_second
    return {
        "source": seconds * corpus.bytes_per_second,
        "values": values,
        "vectors": corpus.clips * corpus.vector_bytes,
    }


def corpus_row(corpus: Corpus) -> dict[str, Any]:
    """For JSON."""
    priced = {
        kind: [{**asdict(cost), "money": cost.money(corpus), "days": cost.days(corpus)} for cost in costs]
        for kind, costs in (("stages", stages(corpus)), ("orders", orders(corpus)))
    }
    return {"assumed": asdict(corpus), "hours": corpus.hours, "bytes": written(corpus), **priced}


def say_corpus(corpus: Corpus) -> str:
    """Tables for people: every stage over all clips, then whole orders of stages."""
    videos, held = corpus.clips / corpus.clips_per_video, written(corpus)
    lines = [
        f"{corpus.clips:,.0f} clips of {videos:,.0f} videos, {corpus.hours:,.0f} hours; {corpus.all_cores:,.0f} cores, "
        f"{corpus.gpus:,.0f} GPUs",
        f"source {size(round(held['source']))}; kept: values {size(round(held['values']))}, "
        f"vectors {size(round(held['vectors']))}",
        "",
        _table("each stage over all clips", stages(corpus), corpus),
        "",
        _table("order of stages", orders(corpus), corpus),
        "",
    ]
    first, last = orders(corpus)[1], orders(corpus)[-1]
    lines.append(
        f"captions of {last.clips:,.0f} clips, not of {first.clips:,.0f}: {first.clips / last.clips:.1f} times fewer; "
        f"in all {first.money(corpus) / last.money(corpus):.1f} times cheaper"
    )
    lines.append("rates are published ones and prices assumptions: --assume caption_rate=5,gpu_price=1.2 changes them")
    return "\n".join(lines)


def _table(title: str, costs: list[Cost], corpus: Corpus) -> str:
    rows: list[tuple[object, ...]] = [(title, "clips", "core-hours", "GPU-hours", "tokens", "money", "days")]
    rows += [
        (
            cost.name, _short(cost.clips), f"{cost.core_hours:,.0f}", f"{cost.gpu_hours:,.0f}", _short(cost.tokens),
            f"{cost.money(corpus):,.0f}", f"{cost.days(corpus):,.1f}",
        )
        for cost in costs
    ]  # fmt: skip
    return columns(rows, right=range(1, 7))


def _short(number: float) -> str:
    """
    >>> _short(234e6), _short(1.2e12), _short(17)
    ('234.0 M', '1.2 T', '17')
    """
    for factor, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")):
        if number >= factor:
            return f"{number / factor:,.1f} {letter}"
    return f"{number:,.0f}"
