"""Names of the export formats, apart so that `--help` needs nothing heavy."""

FORMATS = {
    "hub": "a release for the Hugging Face Hub: card, Parquet, statistics, removals; perhaps media",
    "internvid": "JSON lines with InternVid's six columns",
    "webdataset": "tar shards of cut clips with captions and scores",
    "frames": "tar shards of a few small pictures per clip, for training",
    "clips": "cut clips in folders with a table",
    "interleaved": "clips and texts in turn, whole films at a time, to learn in context",
    "instructions": "conversations about videos that `dataset instruct` had written, in the layout of LLaVA",
    "fiftyone": "temporal detections as FiftyOne reads them, the videos left where they are",
    "vectors": "one Parquet file of moments with vectors, for Hugging Face datasets and Embedding Atlas",
    "qdrant": "a Qdrant database, by address or as a folder, for more than one machine",
}
