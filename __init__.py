"""SK Portrait: native HelloMeme portrait animation for the SD1.5 MODEL that ComfyUI has loaded."""

WEB_DIRECTORY = "./web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]


async def comfy_entrypoint():
    """Called by ComfyUI: registers the model folders and the one question that other machines ask, and returns the nodes."""
    from pathlib import Path

    from .nodes import SKPortraitExtension, file_hashes, first_start, folders

    folders.register()
    first_start.prepare(Path(__file__).parent)
    file_hashes.add_route()
    return SKPortraitExtension()
