"""Text files beside the films: captions, transcripts and what a downloader would have noted. Strings only, no files."""

import json
from collections.abc import Mapping

from internvideo.datasets.moving_shapes.draws import Draws
from internvideo.datasets.moving_shapes.film_truth import FilmTruth
from internvideo.datasets.moving_shapes.world import VERSION

CHANNELS = ("Shape Laboratory", "Quiet Corner Films", "Geometry Daily")
LICENCES = ("Creative Commons Attribution license (reuse allowed)", "CC0-1.0", "")
LEADS = ("Here we see", "Watch closely:", "Now look,", "In this part,", "And then,")
PAUSE = 0.2  # seconds of silence at both ends of a shot


def sidecars(film: FilmTruth, number: int, seed: int) -> Mapping[str, str]:
    """Suffix -> content of each file that lies beside film `number`. Not every film has every kind, some have none."""
    kinds = {
        ".captions.jsonl": (number % 3 != 2, captions_jsonl),
        ".srt": (number % 4 == 0, srt),
        ".vtt": (number % 4 == 2, vtt),
        ".txt": (number % 3 == 2, summary),
    }
    found = {suffix: write(film) for suffix, (wanted, write) in kinds.items() if wanted}
    if number % 2 == 0:
        found[".info.json"] = info_json(film, number, seed)
    return found


def captions_jsonl(film: FilmTruth) -> str:
    """One row per shot: {"start": seconds, "end": seconds, "caption": text}."""
    rows = [{"start": shot.start, "end": shot.end, "caption": shot.caption} for shot in film.shots]
    return "".join(json.dumps(row) + "\n" for row in rows)


def summary(film: FilmTruth) -> str:
    """One caption for the whole film."""
    things = [" ".join(shot.caption.split()[:8]) for shot in film.shots]
    return f"A film of {len(things)} shots with coloured shapes. It begins with {film.shots[0].caption}.\n"


def srt(film: FilmTruth) -> str:
    """SubRip: numbered cues, decimal commas."""
    cues = [f"{i}\n{_clock(a, ',')} --> {_clock(b, ',')}\n{text}\n" for i, (a, b, text) in enumerate(_cues(film), 1)]
    return "\n".join(cues)


def vtt(film: FilmTruth) -> str:
    """WebVTT."""
    cues = [f"{_clock(a, '.')} --> {_clock(b, '.')}\n{text}\n" for a, b, text in _cues(film)]
    return "\n".join(["WEBVTT\n", *cues])


def info_json(film: FilmTruth, number: int, seed: int) -> str:
    """The fields that yt-dlp writes for a video, as far as they make sense here."""
    draws = Draws("moving-shapes", VERSION, seed, "info", number)
    channel = CHANNELS[number // 2 % len(CHANNELS)]
    licence = LICENCES[number // 2 % len(LICENCES)]
    name = "".join(draws.choose("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") for _ in range(11))
    return json.dumps(
        {
            "id": name,
            "title": f"Moving shapes, part {number + 1}",
            "description": summary(film).strip(),
            "uploader": channel,
            "channel": channel,
            "channel_id": channel.lower().replace(" ", "-"),
            "webpage_url": f"https://example.org/watch?v={name}",
            "upload_date": f"2024{1 + number % 12:02}15",
            "duration": round(film.seconds),
            "width": film.width,
            "height": film.height,
            "language": "en",
            "tags": ["shapes", "animation", film.shots[0].caption.split()[-1]],
            "categories": ["Education"],
            **({"license": licence} if licence else {}),
        },
        indent=1,
    )


def _cues(film: FilmTruth) -> list[tuple[float, float, str]]:
    """What a narrator says: one sentence per shot."""
    spoken = [(shot, LEADS[i % len(LEADS)]) for i, shot in enumerate(film.shots)]
    return [(shot.start + PAUSE, shot.end - PAUSE, f"{lead} {shot.caption}.") for shot, lead in spoken]


def _clock(seconds: float, point: str) -> str:
    """hours:minutes:seconds with thousandths."""
    thousandths = round(seconds * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{thousandths // 1000:02}{point}{thousandths % 1000:03}"
