"""A captioner of the Hugging Face kind in this process, and our own decoder: tiny, random or bundled."""

import asyncio
import json

import numpy as np
import pytest

from internvideo.config import override
from internvideo.curation.language.captioner import CaptionRecipe, Frames, describe
from internvideo.curation.language.local import HuggingFace, LocalConfig
from internvideo.curation.language.protocol import EndpointRefuses, Request, RequestRejected
from internvideo.datasets.moving_shapes import write_world
from internvideo.jobs.curate import curate
from internvideo.store import Dataset

PICTURE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    """BLIP of a few thousand random weights, with its processor."""
    transformers, torch = pytest.importorskip("transformers"), pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("blip")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "runs", "fast", "home"]
    (folder / "vocab.txt").write_text("\n".join(words))
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    of_text = {"vocab_size": 10, "encoder_hidden_size": 32, "max_position_embeddings": 64}
    ids = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0, "sep_token_id": 3}
    torch.manual_seed(1)
    config = transformers.BlipConfig(
        text_config={**of_text, **ids, **small},
        vision_config={"image_size": 32, "patch_size": 16, **small},
        projection_dim=16,
    )
    transformers.BlipForConditionalGeneration(config).save_pretrained(folder / "model")
    pictures = transformers.BlipImageProcessor(size={"height": 32, "width": 32})
    reader = transformers.BlipProcessor(pictures, transformers.BertTokenizer(str(folder / "vocab.txt")))
    reader.save_pretrained(folder / "model")
    return folder / "model"


@pytest.mark.slow
def test_a_captioner_in_this_process_describes_pictures_and_says_what_it_cannot(blip, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = HuggingFace(LocalConfig(model=str(blip)))
    recipe = CaptionRecipe(local=LocalConfig(model=str(blip)), merger="rules")
    frames = Frames(PICTURE, 0.5, (PICTURE, PICTURE[:, ::-1]), (0.2, 0.8))
    rows = asyncio.run(describe(model, recipe, frames))
    assert [row["scale"] for row in rows] == ["coarse", "fine", "frame", "frame"]
    assert rows[0]["origin"].startswith("model@") and rows[1]["origin"] == "rules"
    assert rows == asyncio.run(describe(model, recipe, frames)), "the same every time"
    for request in (Request("what?", (PICTURE, PICTURE)), Request("merge these")):
        with pytest.raises(RequestRejected, match="single pictures"):
            asyncio.run(model.ask(request))


@pytest.mark.slow
def test_a_model_that_is_not_here_is_an_error_that_says_what_to_type(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in (str(tmp_path), "nobody/such-a-model"):
        with pytest.raises(EndpointRefuses) as error:
            HuggingFace(LocalConfig(model=name))
        assert "safetensors" in error.value.hint


@pytest.mark.slow
def test_captions_of_the_tiny_network_fit_their_clips_better_than_those_of_others(tmp_path):
    """Through the whole recipe: the bundled network captions the clips of rendered films, the same network scores."""
    from internvideo.datasets.sample import Sample
    from internvideo.jobs.asking import Network
    from internvideo.jobs.choice import choose_model
    from internvideo.records import Span

    write_world(tmp_path / "films", seed=5, count=6, seconds=(8.0, 12.0), size=96)
    told = ["captioning.network=viclip-tiny", "captioning.scales=clip", "captioning.view=none", "captioning.fps=4"]
    curate([tmp_path / "films"], tmp_path / "dataset", overrides=told, workers=1, quiet=True)
    dataset = Dataset(tmp_path / "dataset")
    rows = dataset.rows("model_captions").to_pylist()
    assert len(rows) == dataset.clips("shots").num_rows and all(
        row["origin"].startswith("viclip-tiny@") for row in rows
    )
    network = Network(choose_model("viclip-tiny"))
    places = {row["video"]: row for row in dataset.rows("places").to_pylist()}
    spans = {
        (r["video"], r["start"]): (r["start_seconds"], r["end_seconds"]) for r in dataset.clips("shots").to_pylist()
    }
    videos, texts = [], []
    for row in rows[:24]:
        place = places[row["video"]]
        path = (place["root"] + b"/" + place["path"]).decode()
        videos.append(network.videos(Sample(0, path, Span(*spans[row["video"], row["start"]])))[0])
        texts.append(row["text"])
    scores = np.stack(videos) @ network.texts(texts).T
    own = np.diagonal(scores).mean()
    others = scores[~np.eye(len(scores), dtype=bool)].mean()
    assert own > others + 0.05, (own, others)


def test_who_writes_the_captions_is_said_in_one_place():
    recipe = override(CaptionRecipe(), ["network=viclip-tiny"])
    assert recipe.on and not CaptionRecipe().on
    assert json.loads(json.dumps({"local": LocalConfig(model="x").model}))["local"] == "x"
