"""Nodes that try several values of one setting, and show the results in one picture."""

from __future__ import annotations

import math

import torch
from comfy_api.latest import io

from ...errors import MissingInputError, SettingError
from ..schema import schema

SETTINGS = ("drive_strength", "reference_strength", "cfg", "steps")
MOST = 16
OWN = "Value that is used while another setting is varied."


def parsed(values: str, setting: str) -> list[float]:
    """Parse numbers separated by commas or spaces.

    Raises SettingError that quotes an invalid number, or for too many numbers.
    """
    words = values.replace(",", " ").split()
    numbers = []
    for word in words:
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < 0 or setting == "steps" and (number < 1 or number % 1):
            kind = "a whole number from 1 on" if setting == "steps" else "a number from 0 on"
            raise SettingError(
                f'"{word}" is not {kind}: {setting} needs values such as "4, 8, 25".', setting, word
            )
        numbers.append(number)
    if not 1 <= len(numbers) <= MOST:
        raise SettingError(
            f"There are {len(numbers)} values to try: give 1 to {MOST}, separated by commas.", setting, values
        )
    return numbers


def _listed(kind, name: str, target: str):
    return kind.Output(display_name=name, is_output_list=True, tooltip=f"One output per value, for {target}.")


class SweepSetting(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitSweepSetting",
            display_name="Sweep a Setting",
            category="SK Portrait/face",
            description="Outputs several values of one setting, so that all nodes after it run once per "
            "value. The other settings keep the value of their widget.",
            search_aliases=["grid", "XY plot", "compare settings", "strength", "steps", "cfg"],
            inputs=[
                io.Combo.Input(
                    "setting",
                    options=list(SETTINGS),
                    tooltip="The setting to vary. drive_strength is the performance strength, "
                    "reference_strength the likeness strength.",
                ),
                io.String.Input(
                    "values",
                    default="0.5, 0.75, 1, 1.25",
                    tooltip="Values of the setting, separated by commas; at most 16.",
                ),
                io.Float.Input(
                    "drive_strength",
                    display_name="performance strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.05,
                    tooltip=OWN,
                ),
                io.Float.Input(
                    "reference_strength",
                    display_name="likeness strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.05,
                    tooltip=OWN,
                ),
                io.Float.Input("cfg", default=1.5, min=0.0, max=100.0, step=0.1, tooltip=OWN),
                io.Int.Input("steps", default=25, min=1, max=10000, tooltip=OWN),
            ],
            outputs=[
                _listed(io.Float, "performance strength", "Animate Portrait"),
                _listed(io.Float, "likeness strength", "Animate Portrait"),
                _listed(io.Float, "cfg", "the guider or KSampler"),
                _listed(io.Int, "steps", "the scheduler or KSampler"),
                _listed(io.String, "label", "Compare Performance"),
            ],
        )

    @classmethod
    def execute(
        cls,
        setting: str,
        values: str,
        drive_strength: float,
        reference_strength: float,
        cfg: float,
        steps: int,
    ) -> io.NodeOutput:
        numbers = parsed(values, setting)
        kept = dict(zip(SETTINGS, (drive_strength, reference_strength, cfg, steps)))
        lists = {name: [value] * len(numbers) for name, value in kept.items()}
        lists[setting] = [int(number) for number in numbers] if setting == "steps" else numbers
        return io.NodeOutput(*lists.values(), [f"{setting} {number:g}" for number in numbers])


class ComparisonGrid(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return schema(
            node_id="SKPortraitComparisonGrid",
            display_name="Comparison Grid",
            category="SK Portrait/face",
            description="Joins the contact sheets of a sweep into one picture, one sheet per value.",
            search_aliases=["grid", "contact sheet", "XY plot"],
            is_input_list=True,
            inputs=[
                io.Image.Input(
                    "sheets", tooltip="The sheets from Compare Performance, which follows Sweep a Setting."
                ),
                io.Int.Input("columns", default=4, min=1, max=16, tooltip="Number of sheets side by side."),
            ],
            outputs=[io.Image.Output(display_name="grid", tooltip="One picture with all sheets.")],
        )

    @classmethod
    def execute(cls, sheets: list[io.Image.Type], columns: list[int]) -> io.NodeOutput:
        pictures = [picture[..., :3] for sheet in sheets for picture in sheet]
        if not pictures:
            raise MissingInputError(
                "There is no sheet to join. Connect the sheet of Compare Performance.", ("sheets",)
            )
        height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
        across = min(columns[0], len(pictures))
        grid = torch.ones(-(-len(pictures) // across) * height, across * width, 3)
        for number, picture in enumerate(pictures):
            y, x = (place * side for place, side in zip(divmod(number, across), (height, width)))
            grid[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
        return io.NodeOutput(grid[None])


NODES = [SweepSetting, ComparisonGrid]
