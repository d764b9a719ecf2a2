"""Every published checkpoint of the papers' zoo tables, and where it can be had. No network, no torch.

A name stays what it is for ever. A hash stands here only where the publisher states one. The first checkpoint of a
network is the one that its bare name means. Sources: the model zoos of InternVideo, InternVid, UniFormerV2 and CLIP.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from internvideo.errors import UsageError, nearest
from internvideo.records import Licence


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One published file of weights."""

    name: str
    model: str  # key of `MODELS`; "" while `needs` is not built
    addresses: tuple[str, ...]  # the same weights, tried in order: https://..., hf://owner/repo/file[@revision]
    task: str
    data: str  # what it was trained on, last thing last
    licence: Licence
    sha256: str = ""  # as the publisher states it (then of all addresses), or ""
    classes: int = 0  # rows of a class head
    frames: int = 8
    size: int = 0  # pixels per side, where the weights do not tell; 0: the network's own
    notes: str = ""
    needs: str = ""  # what must be built before these weights have a network
    head_of: str = ""  # key of `MODELS`: these are no network but a head over its vectors


VICLIP_LICENCE = Licence("CC-BY-NC-SA-4.0", "https://huggingface.co/OpenGVLab/ViCLIP-L-14-hf", commercial=False)
CLIP_LICENCE = Licence("MIT", "https://github.com/openai/CLIP/blob/main/LICENSE", commercial=True)
UNSTATED = Licence("not stated; code Apache-2.0", "https://github.com/OpenGVLab/InternVideo/blob/main/LICENSE")
UNIFORMER_LICENCE = Licence("not stated; code Apache-2.0", "https://github.com/OpenGVLab/UniFormerV2/blob/main/LICENSE")

MATCHING, CLASSES, PRETRAINING = "video-text matching", "class head", "masked pre-training"


def _bucket(path: str) -> str:
    return "https://pjlab-gvm-data.oss-cn-shanghai.aliyuncs.com/" + path


def _by_hand(path: str) -> str:
    return "https://pjlab-my.sharepoint.cn/:u:/g/personal/wangyi_pjlab_org_cn/" + path


def _clip() -> Iterator[Checkpoint]:
    """OpenAI's files, whose addresses carry the hash that its own loader checks; then those that OpenCLIP trained."""
    for size, file, sha256, hub in (
        ("b-32", "ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", "base-patch32"),
        ("b-16", "ViT-B-16.pt", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f", "base-patch16"),
        ("l-14", "ViT-L-14.pt", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", "large-patch14"),
    ):
        name, path = f"clip-{size}", f"clip/models/{sha256}/{file}"
        hosts = ("https://openaipublic.azureedge.net/", "https://openaipublic.blob.core.windows.net/")
        openai = tuple(host + path for host in hosts)
        yield Checkpoint(name, name, openai, MATCHING, "CLIP-400M pictures", CLIP_LICENCE, sha256)
        repo = f"hf://openai/clip-vit-{hub}/"
        files: tuple[str, ...] = (repo + "model.safetensors", repo + "pytorch_model.bin")
        yield Checkpoint(f"{name}-hf", name, files, MATCHING, "CLIP-400M pictures", CLIP_LICENCE)
    for size, repo in (("b-32", "CLIP-ViT-B-32-laion2B-s34B-b79K"), ("b-16", "CLIP-ViT-B-16-laion2B-s34B-b88K")):
        files = tuple(f"hf://laion/{repo}/{file}" for file in ("open_clip_pytorch_model.bin", "pytorch_model.bin"))
        licence = Licence("MIT", f"https://huggingface.co/laion/{repo}", commercial=True)
        yield Checkpoint(f"openclip-{size}", f"openclip-{size}", files, MATCHING, "LAION-2B pictures", licence)


def _aesthetic() -> Iterator[Checkpoint]:
    """LAION's linear heads over CLIP's vectors of pictures, at the revision whose scores are tested."""
    at = "https://raw.githubusercontent.com/LAION-AI/aesthetic-predictor/6d122adad522ab246644d9dc1c6d7a3810ee255f/"
    licence = Licence("MIT", "https://github.com/LAION-AI/aesthetic-predictor/blob/main/LICENSE", commercial=True)
    for size in ("l-14", "b-32", "b-16"):
        file = f"{at}sa_0_4_vit_{size.replace('-', '_')}_linear.pth"
        data = "ratings of Simulacra Aesthetic Captions"
        yield Checkpoint(f"aesthetic-{size}", "", (file,), "aesthetic score", data, licence, head_of=f"clip-{size}")


def _viclip() -> Iterator[Checkpoint]:
    hub, large, base = "hf://OpenGVLab/", "viclip-l-14", "viclip-b-16"
    flt = "ViClip-InternVid-10M-FLT.pth"
    flt_base = _by_hand("EY6ac22ZVzJLm1-wm_9gPaMBm5MFg36GKTxlkwTemgmKzQ?e=mH6u6A")
    base_200m = _by_hand("EVGBg6kq4M1MjbeSdqiXsaMBaBduhR7CQCT11JR4edmZ8Q?e=ILtTfM")
    for name, model, data, addresses in (
        ("flt", large, "InternVid-10M-FLT",
         (f"{hub}ViCLIP/{flt}", _bucket(f"internvideo/viclip/{flt}"), f"{hub}ViCLIP-L-14-hf/model.safetensors")),
        ("div", large, "InternVid-10M-DIV", (_bucket("internvideo/viclip/ViCLIP-L_InternVid-DIV-10M.pth"),)),
        ("webvid", large, "WebVid-10M", (_bucket("internvideo/viclip/ViCLIP-L_WebVid-10M.pth"),)),
        ("10m", large, "InternVid-10M", (_bucket("internvideo/viclip/ViCLIP-L_InternVid-10M.pth"),)),
        ("50m", large, "InternVid-50M", (_bucket("internvideo/viclip/ViCLIP-L_InternVid-50M.pth"),)),
        ("200m", large, "InternVid-200M", (_bucket("internvideo/viclip/ViCLIP-L_InternVid-200M.pth"),)),
        ("flt", base, "InternVid-10M-FLT", (f"{hub}ViCLIP-B-16-hf/model.safetensors", flt_base)),
        ("200m", base, "InternVid-200M", (base_200m,)),
    ):  # fmt: skip
        yield Checkpoint(f"{model}-{name}", model, addresses, MATCHING, data, VICLIP_LICENCE)


def _videomae() -> Iterator[Checkpoint]:
    for size, epochs in (("b", 800), ("l", 800), ("h", 1200)):
        hub = f"hf://OpenGVLab/InternVideoMAE_models/mae-{size}/pytorch_model.bin"
        bucket = _bucket(f"internvideo/pretrain/videomae/vit_{size}_hybrid_pt_{epochs}e.pth")
        name = f"videomae-{size}-16-pretrain"
        yield Checkpoint(name, name, (bucket, hub), PRETRAINING, "UnlabeledHybrid", UNSTATED, frames=16)
    for size, data, short, classes in (
        ("b", "K400", "k400", 400),
        ("b", "K710", "k710", 710),
        ("b", "SSv2", "ssv2", 174),
        ("l", "K400", "k400", 400),
        ("l", "K700", "k700", 700),
        ("l", "SSv2", "ssv2", 174),
    ):
        file = _bucket(f"internvideo/pretrain/videomae/vit_{size}_hybrid_pt_800e_{short}_ft.pth")
        yield _videomae_tuned(size, short, file, data, classes)
    at = "internvideo/action_recognition/"
    big = _bucket(f"{at}K400/VideoMAE/ViT-H_f32_res384_89.54.pth")
    yield _videomae_tuned("h", "k400", big, "K400", 400, frames=32, size=384)
    yield _videomae_tuned("h", "ssv1", _bucket(f"{at}SSV1/VideoMAE/ViT-H.pth"), "SSv1", 174)
    for split, top1 in ((1, "89.64"), (2, "89.92"), (3, "88.35")):
        file = _bucket(f"{at}HMDB51/VideoMAE/split{split}_{top1}/ViT-H.pth")
        yield _videomae_tuned("h", f"hmdb51-split{split}", file, f"HMDB51, split {split}", 51)
    yield Checkpoint(
        "videomae-h-16-ava-kinetics", "videomae-h-16-ava",
        (_bucket("internvideo/stal/vit_h_hybrid_pt_k710_ft_ak_ft.sh"),),
        "spatio-temporal localisation", "UnlabeledHybrid, K710, AVA-Kinetics", UNSTATED, classes=80, frames=16,
        notes="the published address ends in .sh; a file that holds no weights is refused",
    )  # fmt: skip


def _videomae_tuned(
    letter: str, short: str, address: str, data: str, classes: int, *, frames: int = 16, size: int = 0, notes: str = ""
) -> Checkpoint:
    model = f"videomae-{letter}-16"
    return Checkpoint(
        f"{model}-{short}", model, (address,), CLASSES, f"UnlabeledHybrid, {data}", UNSTATED,
        classes=classes, frames=frames, size=size, notes=notes,
    )  # fmt: skip


def _internvideo_mm() -> Iterator[Checkpoint]:
    large, base = "internvideo-mm-l-14", "internvideo-mm-b-16"
    bucket, hub = _bucket("internvideo/pretrain/InternVideo-MM-L-14.ckpt"), "hf://OpenGVLab/InternVideo1.0/"
    files = (bucket, hub + "InternVideo-MM-L-14.ckpt")
    yield Checkpoint(large, large, files, MATCHING, "CLIP-400M, WebVid-10M, self-collected 14M", UNSTATED)
    bucket = _bucket("internvideo/pretrain/InternVideo-MM-B-16.ckpt")
    yield Checkpoint(base, base, (bucket,), MATCHING, "CLIP-400M, WebVid-10M, self-collected 14M", UNSTATED)
    for short, data, folder, frames in (
        ("activitynet", "ActivityNet", "activitynet/kc4_1e-3_2e-3_bs64_77words_64frame_dsl", 64),
        ("didemo", "DiDeMo", "didemo", 32),
        ("lsmdc", "LSMDC", "lsmdc", 8),
        ("msrvtt", "MSR-VTT", "msrvtt/kc4_finetune_1e-32e-3_77words_12frames_128_16_bothdsl", 12),
        ("msvd", "MSVD", "msvd", 8),
        ("vatex", "VATEX", "vatex/kc4_1e-35e-3_128_8frame", 8),
    ):
        bucket = _bucket(f"internvideo/retrieval/{folder}/pytorch_model.bin")
        yield Checkpoint(
            f"{large}-{short}", large, (bucket,), "video-text retrieval", data, UNSTATED, frames=frames,
            notes="published scores use dual-softmax re-ranking",
        )  # fmt: skip
    for short, data, file in (("msrvtt", "MSR-VTT", "msrvtt"), ("msvd", "MSVD", "msvd"), ("tgif", "TGIF-QA", "tqifqa")):
        yield Checkpoint(
            f"{large}-{short}-qa", "", (_bucket(f"internvideo/vqa/{file}.ckpt"),), "question answering", data,
            UNSTATED, needs="the question answering task",
        )  # fmt: skip


# Task: the data after CLIP's, the folder and start of the file's name, classes, then sizes and frames of the files.
_UNIFORMERS: tuple[tuple[str, str, str, int, tuple[str, ...]], ...] = (
    ("k710", "K710", "k710/k710", 710, ("b16_8x224", "l14_8x224", "l14_8x336")),
    ("k710-frozen", "K710", "k710/frozen_k710", 710, ("l14_8x336",)),
    *(
        (f"{prefix}k{n}{suffix}", f"{data}K{n}", f"k{n}/{file}", n, sizes)
        for n in (400, 600, 700)
        for prefix, suffix, data, file, sizes in (
            ("k710-", "", "K710, ", f"k{n}_k710",
             ("b16_8x224", "l14_8x224", "l14_16x224", "l14_32x224", "l14_32x336", *["l14_64x336"][: n == 400])),
            ("", "", "", f"k{n}", ("b16_8x224",)),
            ("", "-frozen", "", f"frozen_k{n}", ("l14_8x336",)),
            ("k710-", "-frozen", "K710, ", f"frozen_k{n}_k710", ("l14_8x336", "l14_32x336")),
        )
    ),
    ("mit", "K710, K400, Moments in Time v1", "mitv1/mit", 339, ("b16_8x224", "l14_8x224", "l14_8x336")),
    ("ssv1", "SSv1", "sthv1/sthv1", 174, ("b16_16x224", "b16_32x224", "l14_16x224", "l14_32x224")),
    ("ssv2", "SSv2", "sthv2/sthv2", 174, ("b16_16x224", "b16_32x224", "l14_16x224", "l14_32x224")),
    ("anet", "K710, K400, ActivityNet", "anet/anet", 200, ("l14_16x224", "l14_32x224")),
    ("hacs", "K710, K400, HACS", "hacs/hacs", 200, ("l14_16x224", "l14_32x224")),
)  # fmt: skip


def _uniformerv2() -> Iterator[Checkpoint]:
    for task, data, start, classes, files in _UNIFORMERS:
        for file in files:
            size, _, shape = file.partition("_")
            frames, _, pixels = shape.partition("x")
            model = f"uniformerv2-{size[0]}-{size[1:]}" + ("-336" if pixels == "336" else "")
            folder, _, stem = start.partition("/")
            addresses = [_bucket(f"uniformerv2/{folder}/{stem}_uniformerv2_{file}.pyth")]
            if (task, file) == ("k710-k400", "b16_8x224"):
                addresses.insert(0, "hf://Andy1621/uniformerv2/k400+k710_uniformerv2_b16_8x224.pyth")
            yield Checkpoint(
                f"{model}-{task}-f{frames}", model, tuple(addresses), CLASSES, f"CLIP-400M, {data}", UNIFORMER_LICENCE,
                classes=classes, frames=int(frames),
            )  # fmt: skip


ZOO: dict[str, Checkpoint] = {
    checkpoint.name: checkpoint
    for family in (_clip, _aesthetic, _viclip, _internvideo_mm, _uniformerv2, _videomae)
    for checkpoint in family()
}


def checkpoints_of(model: str) -> list[Checkpoint]:
    """The published weights of one network, the one that its bare name means first."""
    return [checkpoint for checkpoint in ZOO.values() if checkpoint.model == model and model]


def find_checkpoint(name: str) -> Checkpoint:
    """A checkpoint by its name, or the first one of the network of that name. Raises UsageError."""
    if name in ZOO:
        return ZOO[name]
    if known := checkpoints_of(name):
        return known[0]
    raise UsageError(f"unknown weights `{name}`", nearest(name, {*ZOO, *(c.model for c in ZOO.values() if c.model)}))
