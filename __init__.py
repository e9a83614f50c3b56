"""SK Portrait: native HelloMeme portrait animation for the SD1.5 MODEL that ComfyUI has loaded."""

WEB_DIRECTORY = "./web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]


async def comfy_entrypoint():
    """Called by the host: registers the model folders and returns the nodes."""
    from .nodes import SKPortraitExtension, folders

    folders.register()
    return SKPortraitExtension()
