"""RESERVED: the scores (motion, exposure, bars, stillness, sharpness, colour) are being written by another engineer now.

Shots engineer: leave `ops/motion.py`, `ops/quality.py`, `curation/score_measures.py`, `curation/scores.py` and their tests
alone; `curation/measures.py` imports `SCORE_MEASURES` from `curation/score_measures.py` and merges it into MEASURES.
"""
