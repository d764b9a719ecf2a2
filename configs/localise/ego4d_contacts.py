"""What is touched next and when, on Ego4D's short-term anticipation: VideoMAE-L with a head over boxes.

Run     internvideo train configs/localise/ego4d_contacts.py data.annotations=fho_sta_train.json data.videos=videos \
            data.detections=boxes_train.json held_out.annotations=fho_sta_val.json held_out.videos=videos \
            held_out.detections=boxes_val.json weights=VERBS --out run
        internvideo evaluate next-objects detections=boxes_val.json submission=sta.json --data fho_sta_val.json \
            --root videos --model videomae-l-16-contact --weights run/model
Cost    printed by `--estimate`
Expect  eval/score in the log: top-5 mAP of noun, verb and time. Videos and annotations need Ego4D's licence; boxes with
        nouns come from a detector of yours. Rate and epochs are ours: the sources that were read do not give them
"""

from internvideo.training.egocentric import ForetellContacts
from internvideo.training.head_recipe import ContactData, HeadRecipe
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    train, val = (ContactData(annotations=f"fho_sta_{split}.json", videos="videos") for split in ("train", "val"))
    return HeadRecipe(
        model="videomae-l-16-contact",
        data=train,
        held_out=val,
        objective=ForetellContacts(),
        batch=8,
        epochs=10,
        rate=1e-4,
        schedule=Schedule(kind="videomae", warmup=1.0, lowest=1e-2),
        average=None,
    )
