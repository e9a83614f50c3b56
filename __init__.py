"""SK Portrait: native HelloMeme portrait animation for the SD1.5 MODEL that ComfyUI has loaded."""

WEB_DIRECTORY = "./web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]


async def comfy_entrypoint():
    """Register the model folders and the request that other machines send, and return the nodes.

    ComfyUI calls this function.
    """
    from pathlib import Path

    from .nodes import SKPortraitExtension, file_hashes, first_start, folders

    folders.register()
    first_start.prepare(Path(__file__).parent)
    file_hashes.add_route()
    return SKPortraitExtension()
