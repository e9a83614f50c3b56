"""The coefficient order in force: what `python run.py calibrate` wrote, else the assumed one."""

import folder_paths

from ...face_tools.coefficients import ORDER_FILE, CoefficientOrder, network_order
from ..folders import FACE_TOOLS


def coefficient_order() -> CoefficientOrder:
    """Raises TrackError where the file is there and cannot be read."""
    return network_order(folder_paths.get_full_path(FACE_TOOLS, ORDER_FILE))
