"""Speech: sound is read to the sample, every word lands in its clip, and nothing is invented where nobody speaks."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.config import override
from internvideo.curation.language.translation import NAME as TRANSLATIONS
from internvideo.curation.language.translation import TranslationRecipe
from internvideo.curation.speech import Heard, SpeechRecipe, Word, listen, silero_voices, spoken
from internvideo.errors import UsageError
from internvideo.jobs.curate import curate
from internvideo.jobs.speech import transcribe, translate_transcripts
from internvideo.store import Dataset
from internvideo.store.best_caption import texts_of
from internvideo.video.render import write_video
from internvideo.video.sound import RATE, read_sound
from tests.curation.endpoint_mock import serving


class Stub:
    """Hears a word in every half second of a tone, and is German."""

    identity = "stub@1"

    def __init__(self) -> None:
        self.heard = 0

    def voices(self, samples):
        loud = np.abs(samples) > 0.01
        return [(0.0, len(samples) / RATE)] if loud.any() else []

    def transcribe(self, samples, language):
        self.heard += 1
        count = int(2 * len(samples) / RATE)
        words = tuple(Word(n / 2, n / 2 + 0.4, f" word{n}", 0.9) for n in range(count))
        return Heard(words, language or "de", 0.8)


def film(path, seconds, audio, cut):
    frames = [np.full((48, 64, 3), 20 if t < cut * 10 else 220, np.uint8) for t in range(seconds * 10)]
    write_video(path, frames, fps=Fraction(10), audio=audio)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "films").mkdir()
    film(tmp_path / "films" / "spoken.mp4", 6, "tone", cut=2)
    film(tmp_path / "films" / "mute.mp4", 4, None, cut=2)
    film(tmp_path / "films" / "told.mp4", 5, "tone", cut=3)
    (tmp_path / "films" / "told.en.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nhello\n")
    (tmp_path / "films" / "broken.mp4").write_bytes(b"no video")
    curate([tmp_path / "films"], tmp_path / "dataset", workers=1, quiet=True)
    return tmp_path


def test_sound_is_read_to_the_sample(tmp_path):
    film(tmp_path / "a.mp4", 4, "tone", cut=2)
    sound = read_sound(tmp_path / "a.mp4")
    assert abs(len(sound.samples) / RATE - 4) < 0.1 and abs(sound.start) < 0.1
    spectrum = np.abs(np.fft.rfft(sound.samples[RATE : 2 * RATE]))
    assert 100 < spectrum.argmax() < 2000 and sound.samples.dtype == np.float32, "it is a tone"
    film(tmp_path / "b.mp4", 4, None, cut=2)
    assert read_sound(tmp_path / "b.mp4") is None


def test_words_land_in_their_clips_and_files_come_first(folder):
    stub = Stub()
    found = transcribe(folder / "dataset", SpeechRecipe(), stub, quiet=True)
    assert found["videos"] == {"speech": 1, "no sound": 1} and stub.heard == found["with_a_file"] == 1
    assert found["languages"] == {"de": 1}
    dataset = Dataset(folder / "dataset")
    shots = dataset.clips("shots")
    rows = dataset.rows("spoken").to_pylist()
    keys = {(row["start"], row["end"]): row for row in rows}
    shot_rows = [row for row in shots.to_pylist() if row["video"] == rows[0]["video"]]
    assert len(shot_rows) == 2
    texts = [keys[row["start"], row["end"]]["text"] for row in shot_rows]
    assert texts == ["word0 word1 word2 word3", " ".join(f"word{n}" for n in range(4, 12))]
    assert next(text for text in texts_of(dataset).to_pylist() if text["origin"] == "stub@1")["scale"] == "transcript"
    again = transcribe(folder / "dataset", SpeechRecipe(), stub, quiet=True)
    assert stub.heard == 1 and again["words"] == found["words"] == 12
    transcribe(folder / "dataset", SpeechRecipe(over=True), stub, quiet=True)
    assert stub.heard == 2, "only the one that has a file is heard now"
    assert dataset.verify() == []


def test_transcripts_are_translated_once_beside_the_original(folder):
    transcribe(folder / "dataset", SpeechRecipe(), Stub(), quiet=True)
    dataset = Dataset(folder / "dataset")
    with serving(caption=lambda body: {"translation": "in english"}, faults=[503, "refuse"]) as mock:
        told = [f"endpoint.url={mock.url}", "endpoint.model=mock", "endpoint.longest_pause=0.01"]
        recipe = override(TranslationRecipe(), [*told, "endpoint.in_flight=1"])
        found = translate_transcripts(folder / "dataset", recipe, quiet=True)
        asked = len(mock.bodies)
        assert translate_transcripts(folder / "dataset", recipe, quiet=True)["translated"] == 0
        assert len(mock.bodies) == asked
    rows = dataset.rows(TRANSLATIONS).to_pylist()
    assert found["in_all"] == len(rows) - 1 and {row["finish"] for row in rows} == {"stop", "refused"}
    assert all(row["original_language"] == "de" and row["original"].startswith("word") for row in rows)
    assert not [row for row in rows if "hello" in row["original"]], "what is English already is left alone"
    english = [t for t in texts_of(dataset).to_pylist() if t["language"] == "en" and t["text"] == "in english"]
    assert len(english) == found["in_all"]


def test_without_a_model_the_error_names_the_option(folder):
    with pytest.raises(UsageError, match="no model to listen with"):
        transcribe(folder / "dataset", SpeechRecipe(), quiet=True)


@given(st.lists(st.floats(0, 50), min_size=1, max_size=12), st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_every_word_belongs_to_the_clip_that_it_overlaps_most(starts, lengths):
    edges = np.cumsum([0, *lengths]) * 100
    clips = np.column_stack([edges[:-1], edges[1:]]).astype(np.int64)
    words = [
        {"start_seconds": s, "end_seconds": s + 0.5, "text": f" {n}", "language": ""} for n, s in enumerate(starts)
    ]
    placed: dict[str, list[int]] = {}
    for clip, row in spoken(words, clips, Fraction(1, 100), "x"):
        assert 0 <= row["inside"] <= 1 and 0 < row["covers"] <= 1
        for word in row["text"].split():
            placed.setdefault(word, []).append(clip)
    for number, start in enumerate(starts):
        a, b = round(start * 100), round((start + 0.5) * 100)
        shares = [max(0, min(b, int(end)) - max(a, int(begin))) for begin, end in clips]
        mine = placed.get(str(number), [])
        assert bool(mine) == any(shares)
        assert not mine or max(shares) in [shares[clip] for clip in mine]


def test_voices_are_cut_out_and_words_keep_their_time():
    class Late(Stub):
        def voices(self, samples):
            return [(1.0, 2.0), (4.0, 5.0)]

    rows = listen(Late(), np.ones(6 * RATE, np.float32), 10.0, "")
    assert [row["start_seconds"] for row in rows] == [11.0, 11.5, 14.0, 14.5]
    assert "".join(row["text"] for row in rows).split() == ["word0", "word1", "word0", "word1"]


@pytest.mark.slow
def test_nobody_speaks_in_silence_noise_and_tones():
    pytest.importorskip("faster_whisper")
    time = np.arange(5 * RATE) / RATE
    noise = np.random.default_rng(0).normal(0, 0.1, len(time))
    for sound in (np.zeros(len(time)), noise, 0.5 * np.sin(2 * np.pi * 440 * time)):
        assert silero_voices(sound.astype(np.float32)) == []
