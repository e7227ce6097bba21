"""What each operation does to a live module, one function each.

``ACTIONS[op](k, tools)`` looks up once whatever stays the same from batch to batch, and returns
``act(t)``, which does the operation on batch t.  Values that other steps need go through
``tools.keeper(kind, k)``, which returns ``keep(t, value)``, or None where nobody needs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnilab.network import Loss, Module
from dnilab.network.optimisers import Updater
from dnilab.training.feed import Feed
from dnilab.training.state import Key

Action = Callable[[int], None]
Keep = Callable[[int, Any], None]


@dataclass(frozen=True)
class Tools:
    """What the actions of one worker work with.

    ``store`` holds values by (kind, module, batch) until the one step that needs them takes them.
    ``keeper(kind, k)`` tells where a value goes: into a store, to another worker, or nowhere.
    """

    modules: dict[int, Module]
    top: int
    loss: Loss
    feed: Feed
    store: dict[Key, Any]
    keeper: Callable[[str, int], Keep | None]
    update_body: dict[int, Updater]
    fit_generator: dict[int, Updater]
    fit_input_model: dict[int, Updater]


def _input_of(k: int, tools: Tools) -> Callable[[int], np.ndarray]:
    """Where module k finds its input: x, or the activation of the module below."""
    if k == 1:
        return tools.feed.x
    take, below = tools.store.pop, k - 1
    return lambda t: take(("h", below, t))


def guesser(k: int, tools: Tools) -> Callable[[np.ndarray, int], tuple[np.ndarray, Any]]:
    """The generator of module k, given h and the batch number."""
    generator = tools.modules[k].generator
    assert generator is not None  # train() has refused stacks that lack one
    x, y = tools.feed.x, tools.feed.y
    sees_x, sees_y = "x" in generator.context, "y" in generator.context
    if not (sees_x or sees_y):
        return lambda h, t: generator(h)
    return lambda h, t: generator(h, x(t) if sees_x else None, y(t) if sees_y else None)


def forward_update(k: int, tools: Tools) -> Action:
    """Forward and synthetic update: does not wait for any module above."""
    body, input_of, update = tools.modules[k].body, _input_of(k, tools), tools.update_body[k]
    send_message = tools.keeper("message", k)
    want_dx = send_message is not None

    if k == tools.top:
        gradient, y = tools.loss.gradient, tools.feed.y

        def act_at_top(t: int) -> None:
            h, pullback = body(input_of(t))
            dx, grads = pullback(gradient(h, y(t)), want_dx)
            if send_message:
                send_message(t, dx)
            update(grads, len(h))

        return act_at_top

    guess_at = guesser(k, tools)
    send_h, keep_guess = tools.keeper("h", k), tools.keeper("guess", k)

    def act(t: int) -> None:
        h, pullback = body(input_of(t))
        if send_h:
            send_h(t, h)  # first of all: somebody may be waiting for it
        guess = guess_at(h, t)
        dx, grads = pullback(guess[0], want_dx)
        if send_message:
            send_message(t, dx)
        update(grads, len(h))
        if keep_guess:
            keep_guess(t, (*guess, h))

    return act


def fit(k: int, tools: Tools) -> Action:
    """Update of the generator: the target of its guess is what module k + 1 sent down."""
    take, update, above = tools.store.pop, tools.fit_generator[k], k + 1

    def act(t: int) -> None:
        target = take(("message", above, t))
        g_hat, pullback, _ = take(("guess", k, t))
        _, grads = pullback(g_hat - target, False)
        update(grads, len(target))

    return act


def late_fit(k: int, tools: Tools) -> Action:
    """Update of the generator long after its guess: with today's parameters it guesses again.

    The error of the old guess tells how wrong the generator was then.  The same mistake would be
    put right once for every batch on the way, and the generator would swing ever wider.
    """
    take, update, above = tools.store.pop, tools.fit_generator[k], k + 1
    guess_at = guesser(k, tools)

    def act(t: int) -> None:
        target = take(("message", above, t))
        h = take(("guess", k, t))[2]
        g_hat, pullback = guess_at(h, t)
        _, grads = pullback(g_hat - target, False)
        update(grads, len(target))

    return act


def forward(k: int, tools: Tools) -> Action:
    """Forward alone."""
    body, input_of = tools.modules[k].body, _input_of(k, tools)
    send_h, keep_pullback = tools.keeper("h", k), tools.keeper("pullback", k)

    def act(t: int) -> None:
        h, pullback = body(input_of(t))
        if send_h:
            send_h(t, h)
        if keep_pullback:
            keep_pullback(t, pullback)

    return act


def backward(k: int, tools: Tools) -> Action:
    """Pull the true gradient back through module k."""
    take, above = tools.store.pop, k + 1
    gradient, y = tools.loss.gradient, tools.feed.y
    at_top = k == tools.top
    send_message, keep_grads = tools.keeper("message", k), tools.keeper("grads", k)
    want_dx = send_message is not None

    def act(t: int) -> None:
        g = gradient(take(("h", k, t)), y(t)) if at_top else take(("message", above, t))
        dx, grads = take(("pullback", k, t))(g, want_dx)
        if send_message:
            send_message(t, dx)
        if keep_grads:
            keep_grads(t, (grads, len(g)))

    return act


def forward_guess(k: int, tools: Tools) -> Action:
    """Forward, and a guess of the gradient at the output; whether it is used is decided later."""
    body, input_of, guess_at = tools.modules[k].body, _input_of(k, tools), guesser(k, tools)
    send_h, keep_guess = tools.keeper("h", k), tools.keeper("guess", k)
    keep_pullback = tools.keeper("pullback", k)

    def act(t: int) -> None:
        h, pullback = body(input_of(t))
        if send_h:
            send_h(t, h)
        guess = guess_at(h, t)
        if keep_guess:
            keep_guess(t, (*guess, h))
        if keep_pullback:
            keep_pullback(t, (pullback, guess[0]))

    return act


def pull(k: int, tools: Tools) -> Action:
    """Pull the module's own guess back through it."""
    take, send_message = tools.store.pop, tools.keeper("message", k)
    keep_grads = tools.keeper("grads", k)
    want_dx = send_message is not None

    def act(t: int) -> None:
        pullback, g_hat = take(("pullback", k, t))
        dx, grads = pullback(g_hat, want_dx)
        if send_message:
            send_message(t, dx)
        if keep_grads:
            keep_grads(t, (grads, len(g_hat)))

    return act


def update(k: int, tools: Tools) -> Action:
    """Update module k with what backward or pull found."""
    take, apply = tools.store.pop, tools.update_body[k]

    def act(t: int) -> None:
        apply(*take(("grads", k, t)))

    return act


def unlocked_update(k: int, tools: Tools) -> Action:
    """Forward from a predicted input, guess, pull back and update: waits for nobody at all."""
    module, x, y = tools.modules[k], tools.feed.x, tools.feed.y
    body, update, predict = module.body, tools.update_body[k], module.input_model
    at_top, gradient = k == tools.top, tools.loss.gradient
    guess_at = None if at_top else guesser(k, tools)
    send_h, send_message = tools.keeper("h", k), tools.keeper("message", k)
    keep_guess, keep_prediction = tools.keeper("guess", k), tools.keeper("prediction", k)
    want_dx = send_message is not None

    def act(t: int) -> None:
        prediction = (x(t), None) if predict is None else predict(x(t))
        h, pullback = body(prediction[0])
        if send_h:
            send_h(t, h)
        guess = (gradient(h, y(t)),) if guess_at is None else guess_at(h, t)
        dx, grads = pullback(guess[0], want_dx)
        if send_message:
            send_message(t, dx)
        update(grads, len(h))
        if keep_guess:
            keep_guess(t, (*guess, h))
        if keep_prediction:
            keep_prediction(t, prediction)

    return act


def fit_input(k: int, tools: Tools) -> Action:
    """Update of the input model: its target is what the module below computed."""
    take, update, below = tools.store.pop, tools.fit_input_model[k], k - 1

    def act(t: int) -> None:
        h = take(("h", below, t))
        predicted, pullback = take(("prediction", k, t))
        _, grads = pullback(predicted - h, False)
        update(grads, len(h))

    return act


def late_fit_input(k: int, tools: Tools) -> Action:
    """Update of the input model long after its prediction: it predicts again, as in late_fit."""
    take, update, below = tools.store.pop, tools.fit_input_model[k], k - 1
    predict, x = tools.modules[k].input_model, tools.feed.x
    assert predict is not None  # train() has refused stacks that lack one

    def act(t: int) -> None:
        h = take(("h", below, t))
        take(("prediction", k, t))
        predicted, pullback = predict(x(t))
        _, grads = pullback(predicted - h, False)
        update(grads, len(h))

    return act


ACTIONS: dict[str, Callable[[int, Tools], Action]] = {
    "forward_update": forward_update,
    "fit": fit,
    "late_fit": late_fit,
    "forward": forward,
    "backward": backward,
    "update": update,
    "forward_guess": forward_guess,
    "pull": pull,
    "unlocked_update": unlocked_update,
    "fit_input": fit_input,
    "late_fit_input": late_fit_input,
}
