"""Measurements of the pack: `python run.py bench NAME`.

Each module has `main(argv) -> int`. What must pass is a test instead.
"""

# name -> (module, one line of help)
BENCHES = {
    "overhead": ("cost.overhead", "arithmetic and time that reference and drive add to a UNet call"),
    "clip": ("cost.clip", "arithmetic and host-to-device bytes per frame of every way to sample a clip"),
    "previews": ("cost.previews", "time per step of the Portrait Video Sampler without and with previews"),
    "memory": ("cost.memory", "peak memory of the nodes that hold a clip, and bytes per frame"),
    "inversion_memory": ("cost.inversion_memory", "peak memory of Redraw Clip from Noise"),
    "import": ("cost.import_time", "time that importing the pack adds to the start of ComfyUI"),
    "faces": ("cost.faces", "speed and memory of the face trackers and of the nodes that make pictures"),
    "editor": ("cost.editor", "time from a moved slider of the Expression Editor to the new preview"),
    "farm": ("cost.farm", "time of one clip on workers of this machine"),
    "farm_simulation": ("cost.farm_simulation", "time of one clip on a simulated farm of many workers"),
    "drawn_heads": (
        "quality.drawn_heads",
        "pose, expression and identity of the toy model on unseen synthetic heads",
    ),
    "real_faces": (
        "quality.real_faces",
        "real clips and pictures: frames flipped, dropped, right in every turn; cost",
    ),
    "probe": ("quality.probe", "train the regression probe that reads pose, expression and identity"),
    "expressions": (
        "quality.expressions",
        "whether portraits of a folder fold at any end of the Expression Editor's sliders",
    ),
    "style": ("quality.style", "likeness and look of a stylised checkpoint by strength schedule"),
    "easy_cache": ("quality.easy_cache", "what EasyCache saves and costs against fewer steps"),
    "films": (
        "quality.films",
        "sound and colour of a film into which a face is pasted, after one and five rounds",
    ),
    "paper": ("paper.command", "the paper's claims of SK attention in the toy model's world, trained here"),
    "official": ("official.compare", "time and memory against a copy of the official pack"),
    "gpu": ("gpu.command", "what only a GPU shows: parity, time, memory, synchronisations, whole clips"),
    "first_run": ("install.first_run", "every template in a fresh environment, from ComfyUI's Run button"),
    "packs": ("install.packs", "whether our requirements resolve beside those of other packs"),
}
