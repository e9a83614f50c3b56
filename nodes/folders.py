"""The pack's model folders, and the lookup of files in them."""

import os

import folder_paths

from ..errors import MissingFileError

NETWORKS, FACE_TOOLS, DIRECTIONS = "sk_portrait", "face_tools", "wplus_directions"
EXTENSIONS = {
    NETWORKS: {".safetensors", ".bin", ".pt", ".pth", ".ckpt"},
    FACE_TOOLS: {".task", ".onnx", ".tflite", ".json"},
    DIRECTIONS: {".pt", ".pth", ".npy", ".safetensors"},
}


def register() -> None:
    """Register the folders with ComfyUI, in addition to those from extra_model_paths.yaml."""
    for name, extensions in EXTENSIONS.items():
        folder_paths.add_model_folder_path(name, os.path.join(folder_paths.models_dir, name))
        paths, known = folder_paths.folder_names_and_paths[name]
        folder_paths.folder_names_and_paths[name] = (paths, set(known) | extensions)


def files(folder: str) -> list[str]:
    """Names of the files in a model folder, as ComfyUI lists them."""
    return folder_paths.get_filename_list(folder)


def spellings(name: str) -> tuple[str, str]:
    """Return a saved file name unchanged, and with forward slashes in place of the backslashes of Windows."""
    return name, name.replace("\\", "/")


def path_of(folder: str, name: str) -> str | None:
    """Return the path of a model file; None if there is no such file.

    The name may have been saved on another operating system.
    """
    paths = (folder_paths.get_full_path(folder, spelling) for spelling in spellings(name))
    return next(filter(None, paths), None)


def find(folder: str, name: str, page: str) -> str:
    """Return the path of a model file.

    Raises MissingFileError that names the file, its folders and its download page.
    """
    path = path_of(folder, name)
    if path is None:
        places = " or ".join(folder_paths.get_folder_paths(folder))
        raise MissingFileError(
            f'"{name}" was not found. Put it into {places}. Download: {page} (nothing is downloaded automatically).',
            name,
        )
    return path


def absent(folder: str, name: str, page: str) -> str | None:
    """Return the error message of `find` if the file is missing (for validate_inputs), otherwise None."""
    try:
        find(folder, name, page)
    except FileNotFoundError as error:
        return str(error)
    return None
