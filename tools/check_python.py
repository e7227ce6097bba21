"""Say clearly, before anything is installed, whether this Python can run the course.

The Makefile calls it with whatever `python3` is, so it must read well to an old Python too:
no f-string, no annotation, nothing imported that came late.
"""

import sys

OLDEST = (3, 11)


def complaint(version, has_venv, system):
    """What stands in the way, in words, or None.

    version: as sys.version_info; has_venv: whether venv and ensurepip can be imported;
    system: as sys.platform.
    """
    if tuple(version[:2]) < OLDEST:
        return (
            "dnilab needs Python {}.{} or newer. This one is Python {}.{}.{}.\n"
            "Install a newer one (https://www.python.org/downloads/), or name one that is\n"
            "here already:  make PYTHON=python3.12 lab"
        ).format(*(OLDEST + tuple(version[:3])))
    if not has_venv:
        remedy = "Install a complete Python (https://www.python.org/downloads/)."
        if system.startswith("linux"):
            remedy = "On Debian and Ubuntu:  sudo apt install python3-venv"
        return (
            "This Python cannot make virtual environments: its module venv or ensurepip "
            "is missing.\n" + remedy
        )
    return None


def can_make_environments():
    """Whether both modules behind `python3 -m venv` are here. Debian packages them apart."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    found = complaint(sys.version_info, can_make_environments(), sys.platform)
    if found:
        sys.exit("\n{}\n(Asked: {})\n".format(found, sys.executable))
