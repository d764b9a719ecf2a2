"""The runner itself: it reads meta and tensors only, knows no names, and fails where it should.

New cases are made here by a plain twin of ViCLIP's video tower, written from the published description with PyTorch's
own multi-head attention and a real convolution.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save_file

from tests.parity.parity_cases import Answer, Case, Limit, UnknownCase, find, kind_of, verify
from tests.parity.test_parity import FAMILIES

HERE = Path(__file__).parent


def twin(weights, video, heads, kept=None):
    """Sequence first, class token on every frame, one kept: the published order of operations."""
    conv = weights["conv1.weight"]
    width, span, patch = conv.shape[0], conv.shape[2], conv.shape[3]
    x = F.conv3d(video, conv, stride=(span, patch, patch))
    batch, _, t, h, w = x.shape
    x = x.permute(0, 2, 3, 4, 1).reshape(batch * t, h * w, width)
    x = torch.cat([weights["class_embedding"].expand(batch * t, 1, width), x], 1) + weights["positional_embedding"]
    first, x = x[:batch, :1], x[:, 1:].reshape(batch, t, h * w, width).transpose(1, 2)
    x = (x + weights["temporal_positional_embedding"][:, None]).reshape(batch, h * w * t, width)
    if kept is not None:
        x = torch.stack([row[numbers] for row, numbers in zip(x, kept, strict=True)])
    x = norm(weights, "ln_pre", torch.cat([first, x], 1)).transpose(0, 1)
    layers = 1 + max(int(key.split(".")[2]) for key in weights if key.startswith("transformer."))
    for layer in range(layers):
        own = {k.split(f"resblocks.{layer}.")[1]: v for k, v in weights.items() if f"resblocks.{layer}." in k}
        y = norm(own, "ln_1", x)
        attention = torch.nn.MultiheadAttention(width, heads)
        attention.load_state_dict({k.removeprefix("attn."): v for k, v in own.items() if k.startswith("attn.")})
        x = x + attention(y, y, y, need_weights=True)[0]
        y = F.linear(norm(own, "ln_2", x), own["mlp.c_fc.weight"], own["mlp.c_fc.bias"])
        x = x + F.linear(y * torch.sigmoid(1.702 * y), own["mlp.c_proj.weight"], own["mlp.c_proj.bias"])
    tokens = norm(weights, "ln_post", x.transpose(0, 1))
    return tokens, tokens[:, 0] @ weights["proj"]


def norm(weights, name, x):
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])


def new_case(path, seed, *, width=40, heads=5, layers=2, patch=4, side=3, frames=3, out=6):
    """A case of other sizes, weights and inputs, with what the twin answers."""
    draw = torch.Generator().manual_seed(seed)

    def some(*shape, scale=0.3):
        return torch.randn(*shape, generator=draw) * scale

    weights = {
        "class_embedding": some(width),
        "positional_embedding": some(1 + side * side, width),
        "temporal_positional_embedding": some(1, frames, width),
        "proj": some(width, out),
        "conv1.weight": some(width, 3, 1, patch, patch),
    }
    names = {"ln_pre": width, "ln_post": width}
    for layer in range(layers):
        block = f"transformer.resblocks.{layer}."
        names |= {f"{block}ln_1": width, f"{block}ln_2": width}
        weights |= {
            f"{block}attn.in_proj_weight": some(3 * width, width, scale=width**-0.5),
            f"{block}attn.in_proj_bias": some(3 * width),
            f"{block}attn.out_proj.weight": some(width, width, scale=width**-0.5),
            f"{block}attn.out_proj.bias": some(width),
            f"{block}mlp.c_fc.weight": some(4 * width, width, scale=width**-0.5),
            f"{block}mlp.c_fc.bias": some(4 * width),
            f"{block}mlp.c_proj.weight": some(width, 4 * width, scale=width**-0.5),
            f"{block}mlp.c_proj.bias": some(width),
        }
    for name, size in names.items():
        weights |= {f"{name}.weight": 1 + some(size), f"{name}.bias": some(size)}
    video = some(2, 3, frames, side * patch, side * patch, scale=1.0)
    kept = torch.stack([torch.randperm(side * side * frames, generator=draw)[:7].sort().values for _ in range(2)])
    with torch.no_grad():
        tokens, feature = twin(weights, video, heads)
        masked_tokens, masked = twin(weights, video, heads, kept)
    tensors = {f"w.{key}": value for key, value in weights.items()} | {
        "in.video": video,
        "in.mask74.kept_idx": kept,
        "out.video.feat": feature,
        "out.video.tokens": tokens,
        "out.mask74.feat": masked,
        "out.mask74.tokens": masked_tokens,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, {"meta": json.dumps({"heads": heads})})
    return Case(path)


@pytest.mark.parametrize(
    ("seed", "sizes"), [(1, {}), (2, {"width": 24, "heads": 3, "patch": 6, "side": 2, "frames": 5})]
)
def test_a_case_of_another_name_seed_and_size_is_answered(tmp_path, seed, sizes):
    case = new_case(tmp_path / "viclip" / "vision_some_other_ending.safetensors", seed, **sizes)
    kind, check = kind_of(case, FAMILIES)
    assert kind == "vision"
    assert verify(case, check)[0] == 4


def test_a_wrong_number_is_found(tmp_path):
    case = new_case(tmp_path / "viclip" / "vision_x.safetensors", 3)
    case["out.mask74.feat"][0, 0] += 1e-4
    with pytest.raises(AssertionError, match=r"mask74\.feat: off by"):
        verify(case, kind_of(case, FAMILIES)[1])


def test_a_stored_output_that_nothing_answers_is_found(tmp_path):
    case = new_case(tmp_path / "viclip" / "vision_x.safetensors", 4)
    with pytest.raises(AssertionError, match="nothing was compared with"):
        verify(case, lambda case: iter([Answer("video.feat", case["out.video.feat"])]))


def test_numbers_that_are_not_finite_never_pass(tmp_path):
    case = new_case(tmp_path / "viclip" / "vision_x.safetensors", 5)
    wrong = case["out.video.feat"].clone()
    wrong[0, 0] = float("nan")
    with pytest.raises(AssertionError, match="not finite"):
        verify(case, lambda _: iter([Answer("video.feat", wrong, Limit(absolute=1e9))]))


def test_the_longest_known_beginning_of_the_name_is_the_kind(tmp_path):
    for name, kind in (
        ("text_strings_9", "text_strings"),
        ("text_9", "text"),
        ("textual", "text"),
        ("model2", "model"),
    ):
        assert kind_of(Case(tmp_path / "viclip" / f"{name}.safetensors"), FAMILIES)[0] == kind


def test_an_unknown_kind_or_family_is_an_error_not_a_skip(tmp_path):
    for name in ("viclip/shadow.json", "unheard_of/vision.json"):
        with pytest.raises(UnknownCase, match="no check knows"):
            kind_of(Case(tmp_path / name), FAMILIES)


def test_real_cases_are_answered_under_any_ending(shared, tmp_path):
    """Also that families of one name are recognised by their folder alone."""
    for family, stem in (("viclip", "loss_vtc_2rank"), ("videomae", "sincos"), ("multimodal", "caption_decoder")):
        source = shared / "parity" / family / f"{stem}.safetensors"
        kind, _ = kind_of(Case(source), FAMILIES)
        copy = tmp_path / family / f"{kind}_77x{source.suffix}"
        copy.parent.mkdir()
        copy.write_bytes(source.read_bytes())
        assert verify(Case(copy), kind_of(Case(copy), FAMILIES)[1])[0] > 0
    assert [str(case) for case in find(tmp_path)] == sorted(str(case) for case in find(tmp_path))


def test_the_command_line_runs_a_folder_and_fails_on_what_it_does_not_know(tmp_path):
    new_case(tmp_path / "viclip" / "vision_q.safetensors", 6)
    (tmp_path / "viclip" / "riddle.json").write_text("{}")
    command = [sys.executable, "-m", "pytest", str(HERE / "test_parity.py"), "--parity-dir", str(tmp_path)]
    done = subprocess.run([*command, "-p", "no:cacheprovider"], capture_output=True, text=True, cwd=HERE.parents[1])
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["passed", "viclip/vision_q"] in [line[:2] for line in lines]
    assert ["failed", "viclip/riddle"] in [line[:2] for line in lines]
