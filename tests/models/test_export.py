"""Exported encoders answer as the network does, for any batch."""

import sys

import numpy as np
import pytest
import torch

from internvideo.errors import MissingExtra, UsageError
from internvideo.models import MODELS, export, load_model
from internvideo.models.export import ExportError, export_encoders

NAMES = [
    *("clip-b-16-debug", "viclip-b-16-debug", "videomae-b-16-debug", "internvideo-mm-b-16-debug"),
    *("uniformerv2-b-16-debug", "internvideo-cma-b-debug"),
]


def made(name):
    torch.manual_seed(0)
    return load_model(name)


@pytest.mark.parametrize("name", NAMES)
def test_programs_answer_as_the_network_for_any_batch(name, tmp_path):
    model = made(name)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    done = export_encoders(model, tmp_path)
    assert [one.part for one in done] == (["video", "text"] if hasattr(model, "encode_text") else ["video"])
    assert all(one.difference < 1e-5 for one in done)
    how = model.card.preprocess
    video = torch.randn(5, 3, how.frame_count, how.size, how.size)
    program = torch.export.load(tmp_path / f"{name}-video.pt2").module()
    with torch.no_grad():
        expected = model.encode_video(video) if hasattr(model, "encode_text") else model(video)
        torch.testing.assert_close(program(video), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_onnx_answers_as_the_network(name, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs the extra `export`")
    for one in export_encoders(made(name), tmp_path, "onnx"):
        assert one.path.suffix == ".onnx" and one.difference < 1e-4


def test_a_program_that_answers_otherwise_is_not_kept(tmp_path, monkeypatch):
    def wrong(network, example, path):
        path.write_bytes(b"x")
        return lambda batch: np.asarray(network(batch)) + 0.1

    monkeypatch.setattr(export, "FORMS", {"pt2": wrong})
    with pytest.raises(ExportError, match="differs from the network"):
        export_encoders(made("clip-b-16-debug"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_named(tmp_path, monkeypatch):
    model = made("clip-b-16-debug")
    with pytest.raises(UsageError, match="unknown form `onxx`"):
        export_encoders(model, tmp_path, "onxx")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra) as caught:
        export_encoders(model, tmp_path, "onnx")
    assert caught.value.hint == 'pip install "internvideo[export]"'
    with pytest.raises(UsageError, match="for pre-training"):
        export_encoders(made("videomae-b-16-pretrain-debug"), tmp_path)
    with pytest.raises(UsageError, match="another precision"):
        export_encoders(load_model("clip-b-16-debug", precision="bf16"), tmp_path)
    with pytest.raises(UsageError, match="has no card"):
        export_encoders(MODELS["clip-b-16-debug"](), tmp_path)
