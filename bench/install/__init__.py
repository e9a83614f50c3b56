"""Tests in new environments: every template's first run, and our requirements beside other packs'."""
