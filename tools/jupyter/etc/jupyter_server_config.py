"""How JupyterLab's server deals with kernels that nobody looks at: in `make lab` and on Binder.

How its pages without code are shown stands in voila.py.
"""

c = get_config()  # noqa: F821  # the server hands it in

# A tab that was closed leaves its kernel behind: about 130 MB for a page, more for a notebook.  One
# that nobody is connected to and that has been idle for so long is ended.  A tab that is open is
# connected, also while nobody does anything in it.
c.MappingKernelManager.cull_idle_timeout = 1200  # seconds: who reloads a page finds its kernel
c.MappingKernelManager.cull_interval = 60
c.MappingKernelManager.cull_connected = False

# A file of runs that is loaded into the playground is one message.  Tornado's own limit of 10 MB
# would cut the connection; the playground says itself what is too large.
c.ServerApp.tornado_settings = {"websocket_max_message_size": 32 * 1024 * 1024}
