"""Put a finished training run into the package: weights in half precision, and what is known of them.

python benchmarks/bundle.py RUN/model [--name viclip-tiny]

Writes src/internvideo/assets/NAME/{model.safetensors,config.json}; the card beside them, README.md, is written by hand.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from internvideo.jobs.prepare import card_of
from internvideo.models import load_model
from internvideo.models.families import licence_facts
from internvideo.models.hub import CONFIG, WEIGHTS, save_pretrained
from internvideo.models.weights import write_weights

ASSETS = Path(__file__).parents[1] / "src/internvideo/assets"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--name", default="viclip-tiny")
    given = parser.parse_args()
    model, out = load_model(given.name, given.run), ASSETS / given.name
    out.mkdir(parents=True, exist_ok=True)
    licence = card_of(model).family.licence
    with TemporaryDirectory() as folder:
        about = json.loads((save_pretrained(model, folder) / CONFIG).read_text("utf-8"))
    about |= {"source": "", "source_sha256": "", "licence": {"name": licence.name, "evidence": licence.evidence,
              "commercial": licence.commercial}}  # fmt: skip
    (out / CONFIG).write_text(json.dumps(about, indent=2) + "\n", "utf-8")
    halves = {name: value.half() for name, value in model.state_dict().items()}
    write_weights(out / WEIGHTS, halves, {"format": "pt", **licence_facts(licence)})
    print(f"{out}: {sum(path.stat().st_size for path in out.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
