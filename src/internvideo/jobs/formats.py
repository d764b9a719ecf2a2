"""Names of the export formats, apart so that `--help` needs nothing heavy."""

FORMATS = {
    "internvid": "JSON lines with InternVid's six columns",
    "webdataset": "tar shards of cut clips with captions and scores",
    "frames": "tar shards of a few small pictures per clip, for training",
    "clips": "cut clips in folders with a table",
}
