"""internvideo: curate, pre-train, evaluate and search video."""
__version__ = "0.1.0"
