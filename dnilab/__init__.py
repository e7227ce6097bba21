"""dnilab: a hands-on course on Decoupled Neural Interfaces (Jaderberg et al. 2016)."""

__version__ = "0.1.0"
