"""Messages for the user: in the log and on the node."""

import logging

from server import PromptServer

log = logging.getLogger(__name__)


def notice(node, text: str) -> None:
    """Log a warning and show it on the running node (a V3 node with the hidden input unique_id)."""
    log.warning("%s: %s", node.define_schema().display_name, text)
    server = getattr(PromptServer, "instance", None)
    if server is not None and node.hidden and node.hidden.unique_id:
        server.send_progress_text(text, node.hidden.unique_id)
