"""Datasets in formats that others read: lists, tar shards, cut files. Each format is one module."""
