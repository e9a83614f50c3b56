"""The command line of a bench."""

from __future__ import annotations

import argparse


class _Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the lines of the description, and adds each default to the help."""

    def _get_help_string(self, action: argparse.Action) -> str:
        if action.default is None or isinstance(action.default, bool):
            return action.help
        return super()._get_help_string(action)


def bench_parser(bench: str, description: str) -> argparse.ArgumentParser:
    """Return a parser for `python run.py bench NAME`, whose description is the module's docstring."""
    return argparse.ArgumentParser(f"run.py bench {bench}", description=description, formatter_class=_Help)
