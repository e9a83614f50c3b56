"""Install OpenCV if there is none. ComfyUI-Manager and comfy-cli run this file after requirements.txt.

OpenCV is not in requirements.txt: pip would put its `cv2` over that of another distribution, such as
opencv-contrib-python of another node pack, and would see no conflict.
"""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # an embedded Python does not look beside the script

from face_tools import opencv  # noqa: E402


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
