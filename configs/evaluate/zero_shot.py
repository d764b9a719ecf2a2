"""The zero-shot tables of InternVideo and ViCLIP: recognition, multiple choice and retrieval.

Run     internvideo evaluate --suite configs/evaluate/zero_shot.py --data FOLDER --model viclip-l-14 --out report
Cost    one forward pass per video of each list; `--out` keeps answers, so a killed run goes on
Expect  a row per list below; lists that are not in FOLDER are told, the rest is marked. docs/reproduce.md has the
        published numbers, the protocols and what is known to differ
"""

from internvideo.jobs.suite import Entry, Suite

RETRIEVAL, MEAN, ACCURACY = ("t2v R@1", "v2t R@1"), ("top-1", "mean of top-1 and top-5"), ("accuracy",)


def kinetics(classes: int) -> Entry:
    folder = f"kinetics-{classes}"
    return Entry(
        name=f"Kinetics-{classes}",
        task="zero-shot-recognition",
        list=f"{folder}/val.csv",
        format=folder,
        root=f"{folder}/videos",
        classes=f"{folder}/label_map_k{classes}.txt",
        options=("prompts=action",),
        shown=MEAN,
    )


def retrieval(name: str, list: str, format: str, **more: str) -> Entry:
    return Entry(
        name=name,
        task="retrieval",
        list=f"{format}/{list}",
        format=format,
        root=f"{format}/videos",
        shown=RETRIEVAL,
        **more,
    )


def config() -> Suite:
    return Suite(
        entries=(
            kinetics(400),
            kinetics(600),
            kinetics(700),
            retrieval("MSR-VTT 1k-A", "MSRVTT_JSFUSION_test.csv", "msrvtt"),
            retrieval("MSVD", "captions.json", "msvd", split="msvd/test_list.txt"),
            retrieval("LSMDC", "LSMDC16_challenge_1000_publictect.csv", "lsmdc"),
            retrieval("ActivityNet", "val_1.json", "activitynet-captions"),
            retrieval("DiDeMo", "test_data.json", "didemo"),
            retrieval("VATEX", "vatex_validation_v1.0.json", "vatex", split="vatex/test_list.txt"),
            Entry(
                name="MSRVTT-MC",
                task="multiple-choice",
                list="msrvtt/msrvtt_mc_test.jsonl",
                format="msrvtt-mc",
                root="msrvtt/videos",
                shown=ACCURACY,
            ),
            Entry(
                name="LSMDC-MC",
                task="multiple-choice",
                list="lsmdc/LSMDC16_multiple_choice_test_randomized.csv",
                format="lsmdc-mc",
                root="lsmdc/videos",
                shown=ACCURACY,
            ),
        )
    )
