"""Install OpenCV if there is none. ComfyUI-Manager and comfy-cli run this file after requirements.txt.

OpenCV is not in requirements.txt: pip would put its `cv2` over that of another distribution, such as
opencv-contrib-python of another node pack, and would see no conflict.
"""

import subprocess
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT, PACK = Path(__file__).resolve().parent, "sk_portrait_installed"

# The folder as a package, whatever it is called; its __init__.py, which ComfyUI runs, is not.
spec = spec_from_file_location(PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
sys.modules[PACK] = module_from_spec(spec)
opencv = import_module(f"{PACK}.face_tools.opencv")


def main() -> int:
    """The exit status of pip, or 0 if there was nothing to install."""
    try:
        print(f"[SK Portrait] OpenCV {opencv.load().__version__} is used as it is.")
    except opencv.OpenCVError as error:
        if opencv.installed():
            print(f"[SK Portrait] {error}")
            return 0
        return subprocess.call(opencv.pip_command())
    return 0


if __name__ == "__main__":
    sys.exit(main())
