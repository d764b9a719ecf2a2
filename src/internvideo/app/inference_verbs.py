"""`internvideo classify`, `features` and `caption`: verbs that need only a forward pass."""

import argparse

from internvideo.app.verb import Verb, json_option, precision_option


def model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="M", help="model name (default: the best one that is here)")
    parser.add_argument("--weights", metavar="W", help="a weights file, a name of the zoo, hub id or address")
    precision_option(parser)
    parser.add_argument("--device", choices=["cpu", "cuda"], help="where to compute (default: a GPU if there is one)")
    parser.add_argument("--lanes", type=int, metavar="N", help="videos at once (default: one per core)")
    json_option(parser)


def _classify_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="files, folders, or patterns such as 'clips/*.mp4'")
    parser.add_argument(
        "--labels",
        metavar="LABELS",
        help="'a dog,a cat', or a file: .txt, .csv or .json; class heads need none",
    )
    parser.add_argument(
        "--prompts",
        default="name",
        metavar="P",
        help="sentences around labels: name (the label alone), action, kinetics, ucf101, 'a video of {}', a file",
    )
    parser.add_argument(
        "--segments", metavar="S", help="also an answer for every S seconds, or for each of the `shots`"
    )
    parser.add_argument("--top", type=int, default=5, metavar="N", help="how many labels to show (default 5)")
    parser.add_argument(
        "--temperature", type=float, default=1.0, metavar="T", help="over 1: less confident; fitted on your own data"
    )
    parser.add_argument("--plot", metavar="FILE.png", help="draw the answers into a picture")
    model_options(parser)


def _classify(given: argparse.Namespace) -> int:
    from internvideo.jobs.inference import run_classify

    return run_classify(
        given.videos,
        given.labels,
        model=given.model,
        weights=given.weights,
        prompts=given.prompts,
        segments=given.segments,
        top=given.top,
        temperature=given.temperature,
        plot=given.plot,
        precision=given.precision,
        device=given.device,
        lanes=given.lanes,
        as_json=given.as_json,
    )


def _features_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", metavar="PATH", help="files, folders, or patterns such as 'clips/*.mp4'")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for the arrays; the same command goes on there"
    )
    parser.add_argument(
        "--window", type=int, metavar="N", help="frames of one row (default: as many as the network sees)"
    )
    parser.add_argument("--stride", type=int, metavar="N", help="frames from row to row (default: the window)")
    parser.add_argument("--fps", type=float, metavar="F", help="count frames at this rate (default: the video's own)")
    parser.add_argument("--whole", action="store_true", help="one row per video, by the frame policy of the weights")
    parser.add_argument("--dense", action="store_true", help="all tokens of a window, not one vector")
    model_options(parser)


def _features(given: argparse.Namespace) -> int:
    from internvideo.jobs.inference import run_features

    return run_features(
        given.videos,
        given.out,
        model=given.model,
        weights=given.weights,
        window=given.window,
        stride=given.stride,
        fps=given.fps,
        whole=given.whole,
        dense=given.dense,
        precision=given.precision,
        device=given.device,
        lanes=given.lanes,
        as_json=given.as_json,
    )


def _caption_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="files, folders, or patterns such as 'clips/*.mp4'")
    parser.add_argument("--endpoint", default="", metavar="URL", help="an OpenAI-compatible address, up to /v1")
    parser.add_argument("--llm", default="", metavar="NAME", help="the model that answers there; it must read pictures")
    parser.add_argument(
        "--hf", default="", metavar="F", help="instead of an address: a Hugging Face model, by its folder"
    )
    parser.add_argument("--model", metavar="M", help="instead of an address: a network of ours with a caption decoder")
    parser.add_argument("--weights", metavar="W", help="of that network, if not those of its name")
    parser.add_argument(
        "--scales", default="coarse,fine", metavar="S", help="of coarse, fine and clip (default coarse,fine)"
    )
    parser.add_argument("--fps", type=float, default=1.0, metavar="F", help="frames per second to describe (default 1)")
    parser.add_argument("--most-frames", type=int, default=8, metavar="N", help="at most so many (default 8)")
    json_option(parser)


def _caption(given: argparse.Namespace) -> int:
    from internvideo.config import override
    from internvideo.curation.language.captioner import CaptionRecipe
    from internvideo.jobs.captioning import run_caption

    if given.model is not None:
        from internvideo.jobs.own_captions import run_own_captions

        return run_own_captions(given.videos, given.model, given.weights, as_json=given.as_json)
    told = [f"scales={given.scales}", f"fps={given.fps}", f"most_frames={given.most_frames}"]
    told += [f"endpoint.url={given.endpoint}", f"endpoint.model={given.llm}", f"local.model={given.hf}"]
    told += ["merger=rules"] if given.hf else []
    return run_caption(given.videos, override(CaptionRecipe(), told), as_json=given.as_json)


INFERENCE_VERBS = (
    Verb("classify", "What videos show, among your own labels or the classes of a network.",
         'internvideo classify cat.mp4 --labels "a dog,a cat" --model clip-b-16', _classify_options, _classify),
    Verb("features", "Features of videos: an array per video, and JSON that says when each row is.",
         "internvideo features ~/Videos --model videomae-b-16 --out features --stride 4", _features_options, _features),
    Verb("caption", "Describe videos, by a model that answers at an address, or by a network of ours.",
         "internvideo caption cat.mp4 --endpoint http://127.0.0.1:8000/v1 --llm qwen3-vl", _caption_options, _caption),
)  # fmt: skip
