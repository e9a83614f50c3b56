"""Writes what the pack ships: workflows, blueprints, thumbnails, pictures of help pages.

Converts official workflows.
"""

# `python run.py pictures NAME`: name -> (module, one line of help)
PICTURES = {
    "examples": ("examples", "the portrait and the clips that the templates begin with"),
    "thumbnails": ("thumbnails", "templates, icon and banner, from synthetic heads"),
    "faces": ("faces_page", "web/docs/faces.md"),
    "artist_path": ("artist_path", "web/docs/artist_path.md"),
    "presets": ("preset_pictures", "the presets, in their node's help and in its gallery"),
    "drawn_heads": ("drawn_heads_page", "the page of Draw Cartoon Head"),
    "face_template": ("face_template", "the head template and the mesh of the synthetic heads, from a clip"),
    "face_shapes": ("face_shapes", "the shapes of the Expression Editor, from clips of real faces"),
}
