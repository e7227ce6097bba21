"""Every product of one decoupled module, with a shape under each array."""

from __future__ import annotations

from dnilab.checks import whole_numbers
from dnilab.lessons.synthetic_gradients.pictures.shapes import Term, shapes
from dnilab.pictures.style import Picture


def module_shapes(k: int, n_in: int, n_out: int, labels: int) -> Picture:
    """Both operations of module k, which maps ``n_in`` to ``n_out``; its generator sees h and y.

    Raises ValueError for a number below 1.
    """
    k, n_in, n_out, labels = whole_numbers("k and the sizes", (k, n_in, n_out, labels), 1)
    below = "x" if k == 1 else f"h{k - 1}"
    seen = n_out + labels

    def rows(name: str, width: int, kind: str = "value") -> Term:
        return Term(name, ("B", width), kind)

    x, h, s = rows(below, n_in), rows(f"h{k}", n_out), rows(f"s{k}", seen)
    W, M = Term(f"W{k}", (n_in, n_out), "weight"), Term(f"M{k}", (seen, n_out), "weight")
    b, b_M = (Term(name, (n_out,), "weight") for name in (f"b{k}", f"$b_{{M{k}}}$"))
    da, g_hat, e = (rows(f"{name}{k}", n_out, "gradient") for name in ("da", "g_hat", "e"))
    dW, dM = (Term(f"d{of.name}", of.shape, "weight") for of in (W, M))
    x_T, W_T, s_T = (Term(f"{of.name}.T", of.shape[::-1], of.kind) for of in (x, W, s))
    told = rows(f"τ{k - 1}", n_in, "gradient")
    noted: dict[str, list[Term | str]] = {
        "forward": [x, "@", W, "+", b, "=", rows(f"a{k}", n_out), "->", h],
        f"the guess, from the context s{k} = [h{k}, y]": [s, "@", M, "+", b_M, "=", g_hat],
        "through the tanh": [g_hat, "*", rows(f"$1-h_{k}^2$", n_out), "=", da],
        "step of the weights": [x_T, "@", da, "=", dW],
        f"message to module {k - 1}: the target of its generator": [da, "@", W_T, "=", told],
        f"later, when τ{k} has come: step of the generator, with the error e{k} = ĝ{k} − τ{k}": [
            s_T, "@", e, "=", dM,
        ],
    }  # fmt: skip
    chains = [chain for chain in noted.values() if k > 1 or told not in chain]  # none is below 1
    notes = [note for note, chain in noted.items() if chain in chains]
    return shapes(chains, title=f"Module {k}, both operations", notes=notes, letter=24)
