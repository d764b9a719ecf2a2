"""Files of Hugging Face transformers: every key claimed, both ways, and the same answers as their own arithmetic.

The twins below are written from the published layout alone; where transformers is installed, it is asked too.
"""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save_file

from internvideo.models import MODELS, load_model
from internvideo.models.renaming import WeightsError, through, to_ours, to_theirs
from internvideo.models.weights import write_weights

VIDEO = torch.randn(2, 3, 4, 64, 64, generator=torch.Generator().manual_seed(1))
IDS = torch.tensor([[49406, 320, 1929, 49407, 0, 0], [49406, 1929, 49407, 0, 0, 0]])


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def trained(name):
    """A small network none of whose weights is zero."""
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model


# --- the layouts, written down a second time -------------------------------------------------------------------------


def linear(name, out, into, *, bias=True):
    return {f"{name}.weight": (out, into)} | ({f"{name}.bias": (out,)} if bias else {})


def norm_of(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def videomae_block(at, width, hidden):
    own = {f"{at}.attention.attention.{bias}": (width,) for bias in ("q_bias", "v_bias")}
    for part in ("query", "key", "value"):
        own |= linear(f"{at}.attention.attention.{part}", width, width, bias=False)
    own |= linear(f"{at}.attention.output.dense", width, width)
    own |= linear(f"{at}.intermediate.dense", hidden, width) | linear(f"{at}.output.dense", width, hidden)
    return own | norm_of(f"{at}.layernorm_before", width) | norm_of(f"{at}.layernorm_after", width)


def videomae_encoder(width, depth, hidden):
    at = "videomae.embeddings.patch_embeddings.projection"
    own = {f"{at}.weight": (width, 3, 2, 16, 16), f"{at}.bias": (width,)}
    for layer in range(depth):
        own |= videomae_block(f"videomae.encoder.layer.{layer}", width, hidden)
    return own


def videomae_classifier(width, depth, hidden, classes):
    return videomae_encoder(width, depth, hidden) | norm_of("fc_norm", width) | linear("classifier", classes, width)


def videomae_pretrain(width, depth, hidden, narrow, layers):
    own = videomae_encoder(width, depth, hidden) | norm_of("videomae.layernorm", width)
    own |= {"mask_token": (1, 1, narrow)} | linear("encoder_to_decoder", narrow, width, bias=False)
    for layer in range(layers):
        own |= videomae_block(f"decoder.decoder_layers.{layer}", narrow, 4 * narrow)
    return own | norm_of("decoder.norm", narrow) | linear("decoder.head", 1536, narrow)


def clip_tower(at, width, depth):
    own = {}
    for block in (f"{at}.encoder.layers.{layer}" for layer in range(depth)):
        for part in ("q", "k", "v", "out"):
            own |= linear(f"{block}.self_attn.{part}_proj", width, width)
        own |= linear(f"{block}.mlp.fc1", 4 * width, width) | linear(f"{block}.mlp.fc2", width, 4 * width)
        own |= norm_of(f"{block}.layer_norm1", width) | norm_of(f"{block}.layer_norm2", width)
    return own


def clip(width, depth, words, shared, patch, places):
    eyes, text = "vision_model.embeddings", "text_model.embeddings"
    own = {"logit_scale": (), "visual_projection.weight": (shared, width), "text_projection.weight": (shared, words)}
    own |= {f"{eyes}.class_embedding": (width,), f"{eyes}.patch_embedding.weight": (width, 3, patch, patch)}
    own |= {f"{eyes}.position_embedding.weight": (1 + places, width)}
    own |= {f"{text}.token_embedding.weight": (49408, words), f"{text}.position_embedding.weight": (77, words)}
    own |= clip_tower("vision_model", width, depth) | clip_tower("text_model", words, 12)
    own |= norm_of("vision_model.pre_layrnorm", width) | norm_of("vision_model.post_layernorm", width)
    return own | norm_of("text_model.final_layer_norm", words)


LISTS = {
    "videomae-b-16": ("hf", videomae_classifier(768, 12, 3072, 400)),
    "videomae-h-16": ("hf", videomae_classifier(1280, 32, 5120, 400)),
    "videomae-b-16-pretrain": ("hf", videomae_pretrain(768, 12, 3072, 384, 4)),
    "videomae-l-16-pretrain": ("hf", videomae_pretrain(1024, 24, 4096, 512, 12)),
    "clip-b-32": ("hf-clip", clip(768, 12, 512, 512, 32, 49)),
    "clip-b-16": ("hf-clip", clip(768, 12, 512, 512, 16, 196)),
    "clip-l-14": ("hf-clip", clip(1024, 24, 768, 768, 14, 256)),
}


@pytest.mark.parametrize("name", LISTS)
def test_every_key_and_shape_goes_out_and_comes_back(name):
    layout, expected = LISTS[name]
    with torch.device("meta"):
        state = MODELS[name]().state_dict()
    theirs = to_theirs(state, MODELS[name].layouts[layout])
    assert {key: tuple(value.shape) for key, value in theirs.items()} == expected
    loaded = MODELS[name].load({key: torch.empty(shape, device="meta") for key, shape in expected.items()})
    assert loaded.layout == layout
    assert {k: v.shape for k, v in loaded.network.state_dict().items()} == {k: v.shape for k, v in state.items()}
    missing = next(key for key in expected if key.endswith(("key.weight", "k_proj.weight")))
    short = {key: torch.empty(shape, device="meta") for key, shape in expected.items() if key != missing}
    with pytest.raises(WeightsError, match="has 3 parts in that layout"):
        MODELS[name].load(short)


@pytest.mark.parametrize("name", [f"{name}-debug" for name in LISTS])
def test_every_value_comes_back(name, tmp_path):
    model = trained(name)
    for layout in ("official", "clip", "hf", "hf-clip"):
        if layout not in MODELS[name].layouts:
            continue
        write_weights(tmp_path / "x.safetensors", to_theirs(model.state_dict(), MODELS[name].layouts[layout]))
        again = load_model(name, tmp_path / "x.safetensors").state_dict()
        assert all(torch.equal(value, again[key]) for key, value in model.state_dict().items())


def test_tables_are_joined_through_common_names():
    first = (("a.{n}.q", "b.{n}.in|1/2"), ("a.{n}.k", "b.{n}.in|2/2"), ("x", "y|T"), ("c.", "d."), ("e", None))
    second = (("b.{n}.", "own.{n}."), ("y", "z"), ("d.", None))
    table = through(first, second)
    assert table == (
        ("a.{n}.q", "own.{n}.in|1/2"),
        ("a.{n}.k", "own.{n}.in|2/2"),
        ("x", "z|T"),
        ("c.", None),
        ("e", None),
    )
    ours = to_ours({"a.3.q": torch.zeros(1, 2), "a.3.k": torch.ones(1, 2), "x": torch.zeros(2, 3), "c.1": None}, table)
    assert ours["own.3.in"].tolist() == [[0, 0], [1, 1]] and ours["z"].shape == (3, 2) and len(ours) == 2
    assert sorted(to_theirs(ours, table)) == ["a.3.k", "a.3.q", "x"]


# --- the arithmetic, written a second time ---------------------------------------------------------------------------


def normed(weights, name, x, epsilon):
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], epsilon)


def dense(weights, name, x):
    return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def mixed(q, k, v, heads, mask=None):
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1).transpose(1, 2) for x in (q, k, v))
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    scores = scores if mask is None else scores + mask
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def hf_videomae(weights, video, heads):
    x = F.conv3d(
        video,
        *(weights[f"videomae.embeddings.patch_embeddings.projection.{p}"] for p in ("weight", "bias")),
        (2, 16, 16),
    )
    x = x.flatten(2).transpose(1, 2)
    place, channel = torch.arange(x.shape[1])[:, None], torch.arange(x.shape[2])
    angle = place / 10_000 ** (2 * (channel // 2) / x.shape[2]).double()
    x = x + torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()
    for layer in range(2):
        at = f"videomae.encoder.layer.{layer}"
        y = normed(weights, f"{at}.layernorm_before", x, 1e-6)
        q, k, v = (dense(weights, f"{at}.attention.attention.{part}", y) for part in ("query", "key", "value"))
        q, v = q + weights[f"{at}.attention.attention.q_bias"], v + weights[f"{at}.attention.attention.v_bias"]
        x = x + dense(weights, f"{at}.attention.output.dense", mixed(q, k, v, heads))
        y = F.gelu(dense(weights, f"{at}.intermediate.dense", normed(weights, f"{at}.layernorm_after", x, 1e-6)))
        x = x + dense(weights, f"{at}.output.dense", y)
    return dense(weights, "classifier", normed(weights, "fc_norm", x.mean(1), 1e-6))


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def hf_clip_blocks(weights, at, x, heads, activation, mask=None):
    for layer in range(2):
        block = f"{at}.encoder.layers.{layer}"
        y = normed(weights, f"{block}.layer_norm1", x, 1e-5)
        q, k, v = (dense(weights, f"{block}.self_attn.{part}_proj", y) for part in "qkv")
        x = x + dense(weights, f"{block}.self_attn.out_proj", mixed(q, k, v, heads, mask))
        y = dense(weights, f"{block}.mlp.fc1", normed(weights, f"{block}.layer_norm2", x, 1e-5))
        x = x + dense(weights, f"{block}.mlp.fc2", activation(y))
    return x


def hf_clip_pictures(weights, pictures, activation):
    at, patch = "vision_model.embeddings", weights["vision_model.embeddings.patch_embedding.weight"]
    x = F.conv2d(pictures, patch, stride=patch.shape[-1]).flatten(2).transpose(1, 2)
    x = (
        torch.cat([weights[f"{at}.class_embedding"].expand(len(x), 1, -1), x], 1)
        + weights[f"{at}.position_embedding.weight"]
    )
    x = normed(weights, "vision_model.pre_layrnorm", x, 1e-5)
    return hf_clip_blocks(weights, "vision_model", x, 2, activation)[:, 0]


def hf_clip_texts(weights, ids, activation):
    at = "text_model.embeddings"
    x = weights[f"{at}.token_embedding.weight"][ids] + weights[f"{at}.position_embedding.weight"][: ids.shape[1]]
    mask = torch.full((ids.shape[1],) * 2, -torch.inf).triu(1)
    x = hf_clip_blocks(weights, "text_model", x, 2, activation, mask)
    x = normed(weights, "text_model.final_layer_norm", x, 1e-5)
    return dense(weights, "text_projection", x[torch.arange(len(ids)), ids.argmax(1)])


def test_a_hugging_face_videomae_answers_as_there(tmp_path):
    model = trained("videomae-b-16-debug")
    weights = to_theirs(model.state_dict(), MODELS["videomae-b-16-debug"].layouts["hf"])
    expected = hf_videomae(weights, VIDEO, heads=2)
    torch.testing.assert_close(model(VIDEO), expected, rtol=1e-4, atol=1e-5)
    renamed = {k.replace("q_bias", "query.bias").replace("v_bias", "value.bias"): v for k, v in weights.items()}
    save_file(renamed, tmp_path / "x.safetensors")  # as transformers 5 has them
    torch.testing.assert_close(load_model("videomae-b-16-debug", tmp_path / "x.safetensors")(VIDEO), model(VIDEO))


@pytest.mark.parametrize(("name", "activation"), [("clip-b-16-debug", quick_gelu), ("openclip-b-16-debug", F.gelu)])
def test_clip_networks_are_clip_on_the_mean_class_token_of_the_frames(tmp_path, name, activation):
    """The free default: last norm and projection of the mean over frames, exactly."""
    model = trained(name)
    weights = to_theirs(model.state_dict(), MODELS[name].layouts["hf-clip"])
    weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    write_weights(tmp_path / "x.safetensors", weights)
    model = load_model(name, tmp_path / "x.safetensors")
    classes = hf_clip_pictures(weights, VIDEO.transpose(1, 2).flatten(0, 1), activation).reshape(2, 4, -1)
    feature = normed(weights, "vision_model.post_layernorm", classes.mean(1), 1e-5)
    expected = F.normalize(dense(weights, "visual_projection", feature), dim=-1)
    torch.testing.assert_close(model.encode_video(VIDEO), expected, rtol=0, atol=2e-6)
    text = F.normalize(hf_clip_texts(weights, IDS, activation), dim=-1)
    torch.testing.assert_close(model.encode_text(IDS), text, rtol=0, atol=2e-6)
    assert model.scale.item() == pytest.approx(weights["logit_scale"].exp().item())
    if activation is not quick_gelu:
        return
    started = load_model("internvideo-mm-b-16-debug", tmp_path / "x.safetensors")  # its norm sees half the feature
    torch.testing.assert_close(started.encode_video(VIDEO), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(started.encode_text(IDS), text, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ["viclip-b-16-debug", "internvideo-mm-b-16-debug", "uniformerv2-b-16-debug"])
def test_either_form_of_clip_starts_the_same_network(name, tmp_path):
    source, answers = trained("clip-b-16-debug"), []
    for layout in ("clip", "hf-clip"):
        write_weights(
            tmp_path / "x.safetensors", to_theirs(source.state_dict(), MODELS["clip-b-16-debug"].layouts[layout])
        )
        torch.manual_seed(0)
        answers.append(load_model(name, tmp_path / "x.safetensors").encode_video(VIDEO))
    assert torch.equal(*answers)


def test_clip_and_internvideo_mm_are_not_taken_for_each_other(tmp_path):
    both = trained("internvideo-mm-b-16-debug").state_dict()
    bare = {key: value for key, value in both.items() if not key.startswith("captioner.")}
    for weights, problem in ((both, "have no place"), (bare, "have no place|not of CLIP")):
        write_weights(tmp_path / "mm.safetensors", weights)
        with pytest.raises(WeightsError, match=problem):
            load_model("clip-b-16-debug", tmp_path / "mm.safetensors")
    write_weights(
        tmp_path / "l.safetensors",
        to_theirs(trained("clip-l-14-debug").state_dict(), MODELS["clip-l-14-debug"].layouts["clip"]),
    )
    with pytest.raises(WeightsError, match="try the name `clip-l-14-debug`"):
        load_model("clip-b-16-debug", tmp_path / "l.safetensors")


def test_transformers_itself_agrees(tmp_path):
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    tower = sizes | {"intermediate_size": 256}
    config = transformers.CLIPConfig(
        text_config=tower | {"vocab_size": 49408, "eos_token_id": 2},
        vision_config=tower | {"image_size": 64, "patch_size": 16},
        projection_dim=32,
    )
    torch.manual_seed(0)
    theirs = transformers.CLIPModel(config).eval()
    theirs.save_pretrained(tmp_path / "clip")
    ours = load_model("clip-b-16-debug", tmp_path / "clip" / "model.safetensors")
    out = theirs(input_ids=IDS, pixel_values=VIDEO[:, :, 0])
    torch.testing.assert_close(ours.encode_video(VIDEO[:, :, :1]), out.image_embeds, rtol=0, atol=2e-6)
    torch.testing.assert_close(ours.encode_text(IDS), out.text_embeds, rtol=0, atol=2e-6)
    clip_config = sizes | {"intermediate_size": 128, "image_size": 64, "num_frames": 4, "num_labels": 8}
    narrow = {
        "decoder_hidden_size": 32,
        "decoder_intermediate_size": 64,
        "decoder_num_hidden_layers": 1,
        "decoder_num_attention_heads": 2,
    }
    mask = torch.zeros(2, 32, dtype=torch.bool)
    mask[:, 4:] = True
    for kind, name in (("VideoClassification", "videomae-b-16"), ("PreTraining", "videomae-b-16-pretrain")):
        pooled = kind == "VideoClassification"
        config = transformers.VideoMAEConfig(**clip_config, **narrow, use_mean_pooling=pooled)
        theirs = getattr(transformers, f"VideoMAEFor{kind}")(config).eval()
        theirs.save_pretrained(tmp_path / name)
        ours = load_model(f"{name}-debug", tmp_path / name / "model.safetensors")
        frames = VIDEO.transpose(1, 2)
        if pooled:
            torch.testing.assert_close(ours(VIDEO), theirs(frames).logits, rtol=1e-3, atol=1e-5)
        else:
            visible = torch.arange(4).expand(2, -1)
            torch.testing.assert_close(ours(VIDEO, visible), theirs(frames, mask).logits, rtol=1e-3, atol=1e-4)
        back = to_theirs(ours.state_dict(), MODELS[f"{name}-debug"].layouts["hf"])
        again = type(theirs).from_pretrained(None, config=config, state_dict=back)
        assert all(torch.equal(value, again.state_dict()[key]) for key, value in theirs.state_dict().items())
