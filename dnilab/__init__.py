"""dnilab: a hands-on course on Decoupled Neural Interfaces (Jaderberg et al. 2016)."""

__version__ = "2.0.0.dev0"
