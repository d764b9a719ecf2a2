"""Every stored case of the published code, answered by this package within the tolerance of its note."""

from tests.parity import (
    kinds_internvideo_mm,
    kinds_navigation,
    kinds_open_set,
    kinds_ranking,
    kinds_temporal,
    kinds_uniformerv2,
    kinds_viclip,
    kinds_videomae,
)
from tests.parity.parity_cases import kind_of, verify

FAMILIES = {
    "internvideo_mm": kinds_internvideo_mm.KINDS,
    "multimodal": kinds_internvideo_mm.MULTIMODAL_KINDS,
    "navigation": kinds_navigation.KINDS,
    "temporal_localization": kinds_temporal.KINDS,
    "open_set": kinds_open_set.KINDS,
    "retrieval": kinds_ranking.KINDS,
    "uniformerv2": kinds_uniformerv2.KINDS,
    "viclip": kinds_viclip.KINDS,
    "videomae": kinds_videomae.KINDS,
}


def test_case(parity_case, record_property):
    record_property("parity", str(parity_case))
    kind, check = kind_of(parity_case, FAMILIES)
    count, worst = verify(parity_case, check)
    record_property("told", f"{kind:24}{count:5} compared, worst at {worst:6.1%} of its limit")
