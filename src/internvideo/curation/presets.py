"""The recipes that have a name, and their named subsets."""

from dataclasses import replace

from internvideo.curation.captions import Captions, CaptionStatistics, Imported, Transcript
from internvideo.curation.duplicates import FrameHashes, NearDuplicates, PacketDigest
from internvideo.curation.facts import Decoding, Probe
from internvideo.curation.language.captioner import CaptionRecipe
from internvideo.curation.leaks import Leaks
from internvideo.curation.ranks import Ranks
from internvideo.curation.recipe import CurateRecipe
from internvideo.curation.scores import Bars, Colour, Exposure, Motion, Sharpness, Stillness
from internvideo.curation.segmenters import Shots, Windows
from internvideo.curation.select import Rank, Rule, ViewRecipe
from internvideo.curation.sidecars import Sidecars

LONG_ENOUGH = Rule("at least 2 s", "seconds >= 2")
WHOLE_FILE = Rule("decodes whole", "decoding_missing = 0")
KEEPER = Rule("best of its copies", "duplicates_keeper")
VISIBLE = (
    Rule("not dark", "exposure_dark_share < 0.9"),
    Rule("not overexposed", "exposure_bright_share < 0.5"),
    Rule("moves", "stillness_still_share < 0.95"),
    # Blur of two pixels at 256 on the longer side has 0.18; the softest of 55 real films has 0.56. Unknown
    # means that there is nothing in the picture that could be sharp.
    Rule("in focus", "sharpness_median >= 0.3", unknown="keep"),
)
NO_LEAK = Rule("in no evaluation set", "leaks_evaluation_set IS NULL")
GOOD = (WHOLE_FILE, LONG_ENOUGH, Rule("at most 20 s", "seconds <= 20"), *VISIBLE, KEEPER, NO_LEAK)
MATCH_RANK = Rank("match", "match_cosine")
# InternVid draws 10.6 M clips of 7.1 M videos (1.5). Of FLT as many are left after its rank of 0.3, so 5 are drawn.
PER_VIDEO, PER_VIDEO_BEFORE_RANK = 1.5, 5.0

DIV = ViewRecipe(name="div", rules=(LONG_ENOUGH, KEEPER, NO_LEAK), sampler="div", per_video=PER_VIDEO)
FLT = ViewRecipe(
    name="flt",
    rules=GOOD,
    sampler="div",
    per_video=PER_VIDEO_BEFORE_RANK,
    draw_first=True,
    ranks=(MATCH_RANK,),
    asks=("match",),
)
AES = ViewRecipe(name="aes", rules=GOOD, ranks=(Rank("aesthetic", "aesthetic_mean"),), asks=("aesthetic",))
DEFAULT_VIEWS = (
    ViewRecipe(name="default", rules=GOOD),
    DIV,
    FLT,
    AES,
    ViewRecipe(name="language", rules=GOOD, by="sidecars_language"),
    ViewRecipe(name="category", rules=GOOD, by="sidecars_category"),
)
INTERNVID_VIEWS = (  # as published: no copies are looked for, and the aesthetic score is the greatest of four frames
    replace(DIV, rules=(LONG_ENOUGH, NO_LEAK)),
    replace(FLT, rules=(LONG_ENOUGH, NO_LEAK)),
    ViewRecipe(name="aes", rules=(LONG_ENOUGH, NO_LEAK, Rule("beautiful", "aesthetic_max >= 4")), asks=("aesthetic",)),
)
LONGTAKE_VIEWS = (
    ViewRecipe(
        name="longtake",
        rules=(
            WHOLE_FILE,
            Rule("at least 10 s", "seconds >= 10"),
            *VISIBLE,
            # LVD-2M asks for 20 pixels of 520 in half a second, 0.077 heights per second, by another flow.
            Rule("much moves", "motion_flow_mean >= 0.05"),
            KEEPER,
            NO_LEAK,
        ),
    ),
)

DEFAULT = CurateRecipe(
    operators=(
        Probe(),
        Decoding(),
        Shots(),
        Windows(),
        Imported(),
        Motion(),
        Exposure(),
        Bars(),
        Stillness(),
        Sharpness(),
        Colour(),
        FrameHashes(),
        PacketDigest(),
        Sidecars(),
        Captions(),
        Transcript(),
        CaptionStatistics(),
    ),
    dataset_operators=(NearDuplicates(), Leaks(), Ranks()),
    views=DEFAULT_VIEWS,
)


def _with_shots(shots: Shots) -> CurateRecipe:
    operators = tuple(shots if operator.name == "shots" else operator for operator in DEFAULT.operators)
    return replace(DEFAULT, operators=operators)


INTERNVID = replace(
    _with_shots(Shots(detector="content", threshold=27.0)), views=INTERNVID_VIEWS, captioning=CaptionRecipe(view="div")
)

LONGTAKE = replace(
    _with_shots(Shots(detector="adaptive+threshold+dissolve", min_seconds=10.0, edge_frames=4)),
    views=LONGTAKE_VIEWS,
    captioning=CaptionRecipe(view="longtake", fps=0.2, most_frames=32),
)

SEARCH = CurateRecipe(  # what `internvideo index` makes of new folders, beside vectors
    operators=(
        Probe(),
        Decoding(),
        Shots(),
        Windows(),
        Windows(name="windows-12s", seconds=12.0, stride=6.0),
        Imported(),
        Sidecars(),
        Captions(),
        Transcript(),
    )
)

FINGERPRINTS = CurateRecipe(operators=(Probe(), Decoding(), FrameHashes()))  # all that a leak check asks for

PRESETS = {"default": DEFAULT, "internvid": INTERNVID, "longtake": LONGTAKE, "search": SEARCH}
