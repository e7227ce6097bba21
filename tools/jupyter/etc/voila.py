"""How Voila shows a notebook as a page: in `make playground`, and inside `make lab` and Binder.

Voila reads this where JUPYTER_CONFIG_PATH names its folder, or from etc/jupyter/ of an environment.
"""

import json

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado import web

PROTOCOL = "v1.kernel.websocket.jupyter.org"
LONGEST = 4000  # characters of one message in the log


class VisitorConnection(ZMQChannelsWebsocketConnection):
    """What a visitor's browser and the kernel say to each other.

    What a kernel prints and the tracebacks of what failed in it name files of this machine.  The
    page has its own words for what went wrong, so these go into the server's log and not to the
    visitor.

    A browser that does not name the protocol would get an older one, which Voila 0.5.13 reads as
    the newer: it then counts to an astronomical number, and serves nobody any more.
    """

    async def prepare(self):
        """Before the connection is made: HTTPError 400 for a protocol of old."""
        named = self.websocket_handler.request.headers.get("Sec-WebSocket-Protocol", "")
        if PROTOCOL not in [name.strip() for name in named.split(",")]:
            raise web.HTTPError(400, f"this page speaks {PROTOCOL}")
        await super().prepare()

    def _on_zmq_reply(self, stream, msg_list):
        """Hand on a message of the kernel: header, parent, metadata, content and buffers."""
        kind = self.session.unpack(msg_list[0])["msg_type"]
        content = self.session.unpack(msg_list[3])
        if kind in ("stream", "error") or "traceback" in content:
            self.log.warning("Not sent to the visitor: %s", json.dumps(content)[:LONGEST])
            if kind == "stream":
                return
            content |= {"evalue": "The server's log says more.", "traceback": []}
            msg_list[3] = self.session.pack(content)
        super()._on_zmq_reply(stream, msg_list)


c = get_config()  # noqa: F821  # Voila hands it in

# An address may not choose how the page is built.  What stands behind ?theme= would be written into
# the page as it is, so a link could run a script there; an unknown ?template= never ends.
c.VoilaConfiguration.allow_theme_override = "NO"
c.VoilaConfiguration.allow_template_override = "NO"
c.VoilaConfiguration.template = "dnilab"  # in share/: it asks no other site for anything
c.VoilaConfiguration.show_tracebacks = False

# `make playground`: a page that says it is being left ends its kernel at once.  Voila asks for a
# cookie there that its own page does not send; without it, only who knows a kernel's number, which
# is drawn at random and listed nowhere, can end that kernel.
c.Voila.tornado_settings = {
    "disable_check_xsrf": True,
    # A file of runs that is loaded is one message: the playground takes up to 20 MB and says what
    # is wrong with a larger one.  Without this, one of 10 MB cuts the connection.
    "websocket_max_message_size": 32 * 1024 * 1024,
    "headers": {
        # The browser itself refuses to ask other sites, whatever is on the page.
        "Content-Security-Policy": "; ".join(
            [
                "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:",
                "connect-src 'self' ws: wss:",
                "frame-ancestors 'self'",
                "form-action 'none'",
                "base-uri 'none'",
            ]
        )
    },
}
c.Voila.kernel_websocket_connection_class = VisitorConnection
# A page that could not say so is noticed: nobody is connected to its kernel, and nothing runs.
c.MappingKernelManager.cull_idle_timeout = 300  # seconds
c.MappingKernelManager.cull_interval = 60
c.MappingKernelManager.cull_connected = False  # who reads for an hour stays
