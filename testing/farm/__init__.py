"""Graphs, nodes and a stand-in server for the tests of the farm."""
