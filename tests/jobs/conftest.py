"""Small rendered videos and small networks with random weights."""

from pathlib import Path

import pytest
import torch

from internvideo.jobs.choice import choose_model


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """Five rendered videos of three seconds, and in `sub` one that is no video."""
    from internvideo.datasets.moving_shapes import scene, write_clips

    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, [scene("train", number) for number in range(5)], size=96)
    (folder / "sub").mkdir()
    (folder / "sub" / "broken.mp4").write_text("no video", "utf-8")
    return folder


@pytest.fixture(scope="session")
def network():
    """A network by name, made once."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = choose_model(name, device="cpu")
        return made[name]

    return get


@pytest.fixture
def run(capsys):
    """The command line with the verbs of this folder: (exit code, stdout, stderr)."""

    def call(*words):
        from internvideo.app import cli
        from internvideo.app.inference_verbs import INFERENCE_VERBS

        known = {verb.name for verb in cli.VERBS}
        added = tuple(verb for verb in INFERENCE_VERBS if verb.name not in known)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cli, "VERBS", cli.VERBS + added)
            code = cli.main([str(word) for word in words])
        return code, *capsys.readouterr()

    return call
