"""The Expression Editor in the real front end, by the mouse."""

import pytest

from sk_portrait.authoring.editor_page import EditorPage
from sk_portrait.host.browser import FrontEnd

pytestmark = [pytest.mark.comfy, pytest.mark.browser]


def test_a_dragged_slider_changes_the_portrait_on_the_node(server):
    with FrontEnd(server.url) as front:
        page = EditorPage(front, server.object_info())
        still = page.picture()
        before, after = page.drag("jaw")
        page.run()
        assert (before, after) == (0.0, pytest.approx(0.9, abs=0.05))
        assert sum(abs(a - b) > 30 for a, b in zip(still, page.picture())) > 20
