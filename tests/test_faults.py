"""The rows of `python run.py bench faults` that take a second or two, and a short form of its fuzzing."""

import pytest

from sk_portrait.bench import fault, faults, faults_fuzz

SHORT = [row for row in faults.faults() if not row.long]
DRAWS, GRAPHS = 6, 40


@pytest.mark.parametrize("row", [pytest.param(row, marks=[pytest.mark.comfy] * row.host, id=row.name) for row in SHORT])
def test_nothing_is_lost_and_what_is_read_is_ours(row, request):
    if row.host:
        request.getfixturevalue("comfy")
    judged = fault.judge(row)
    assert judged.held, f"reads: {judged.read}; lost: {judged.lost}"


def test_every_node_takes_whatever_its_schema_allows(comfy):
    assert faults_fuzz.quiet(lambda: faults_fuzz.fuzz_nodes(DRAWS)).startswith("nothing")


def test_random_graphs_of_all_nodes(comfy):
    assert faults_fuzz.quiet(lambda: faults_fuzz.fuzz_graphs(GRAPHS)).startswith("nothing")
