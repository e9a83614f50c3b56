"""Tests in new environments: the first run of every template, and our
requirements together with those of other packs.
"""
