"""What a line-up takes, and what there is: counted against networks, and against files."""

import math

import numpy as np
import pytest

from dnilab.experiments import Settings
from dnilab.experiments.settings import ORDERINGS
from dnilab.lessons.playground.data import own_arrays
from dnilab.lessons.playground.experiments import needs
from dnilab.lessons.playground.experiments.comparison import BESIDE, PRESETS, Lineup
from dnilab.lessons.playground.experiments.needs import (
    Need,
    Room,
    check_room,
    check_sweep,
    of_lineup,
    of_run,
    parameters,
)

HUGE = Lineup(Settings(task="digits", hidden=(2000,) * 8, dtype="float32"), 20, tuple(BESIDE))
SMALL = Settings(bits=6, examples=100, test_examples=50, batch_size=50, hidden=(12, 8, 9))
ENDLESS = Room(math.inf, math.inf)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("cuts", [None, (), (2,)])
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_it_counts_what_a_network_holds(ordering, cuts, batch_norm):
    changes = {"ordering": ordering, "cuts": cuts, "batch_norm": batch_norm}
    settings = SMALL.but(**changes, workers=1, context=("x", "h_norm", "y"), generator_hidden=(5,))
    data = settings.data()
    held = settings.stack(data)
    learned = sum(theta.size for module in held.modules for theta in module.thetas)
    fixed = parameters(settings, data.inputs, data.outputs) - learned
    if ordering == "direct feedback":  # a random matrix for each module below the top
        below = [settings.hidden[cut - 1] for cut in ((1, 2, 3) if cuts is None else cuts)]
        assert fixed == data.outputs * sum(below)
    elif ordering == "feedback alignment":  # one for each layer, biases and all
        assert 0 < fixed <= learned
    else:
        assert fixed == 0


def test_the_shapes_it_knows_are_those_of_the_data():
    for settings in (SMALL, Settings(task="digits")):
        data = settings.data()
        inputs, outputs, rows = needs._shape(settings, None)
        assert (inputs, outputs) == (data.inputs, data.outputs)
        assert 0.9 < rows / len(data.x_train) < 1.1
    own = own_arrays(np.random.default_rng(0).normal(size=(50, 7)), np.arange(50) % 3)
    assert needs._shape(Settings(task="own arrays"), own) == (7, 3, 40)


def test_every_preset_has_room_on_a_small_machine():
    for name, preset in PRESETS.items():
        check_room(preset, room=Room(200e6, 60)), name


def test_memory_is_refused_in_words():
    with pytest.raises(ValueError, match=r"^This comparison would need about \d+\.\d GB of"):
        check_room(HUGE, room=Room(8e9, math.inf))
    check_room(HUGE, room=ENDLESS)


def test_time_is_refused_in_words():
    slow = Lineup(Settings(epochs=200, batch_size=1, hidden=(4, 4)), 20)
    accepts = r"would take about \d+ hours; the playground accepts 1 hour\. Choose fewer epochs"
    with pytest.raises(ValueError, match=accepts):
        check_room(slow, room=Room(math.inf, 3600))


def test_networks_that_follow_one_another_are_not_there_at_once():
    together = Lineup(SMALL, 5, ("backprop",))
    in_turn = together.but(ordering="pipeline")
    one = of_run(SMALL)
    assert of_lineup(together).size == 5 * (one.size + of_run(SMALL.but(ordering="backprop")).size)
    assert of_lineup(in_turn).size == of_run(in_turn.settings).size
    assert of_lineup(in_turn).seconds > 5 * one.seconds


def test_more_of_anything_needs_more():
    base, settings = of_run(SMALL), SMALL
    for change in (
        {"hidden": (12, 8, 9, 9)},
        {"hidden": (12, 80, 9)},
        {"context": ("x", "h", "y")},
        {"generator_hidden": (64,)},
        {"examples": 200},
    ):
        more = of_run(settings.but(**change))
        assert more.size > base.size, change
        assert more.seconds > base.seconds, change
    assert of_run(settings.but(epochs=40)).seconds == pytest.approx(2 * base.seconds)
    assert of_run(settings.but(dtype="float32")).size == base.size / 2
    late = settings.but(ordering="pipeline", staleness=8)
    assert of_run(late).size > of_run(late.but(staleness=0)).size


def test_a_sweep_shares_time_among_processes_and_adds_their_memory():
    runs = [SMALL, SMALL.but(hidden=(50, 50, 50)), SMALL]
    most = [of_run(runs[1]), of_run(SMALL)]
    seconds = sum(of_run(one).seconds for one in runs) / 2
    enough = Need(most[0].size + most[1].size, seconds)
    check_sweep(runs, 2, room=Room(enough.size, enough.seconds))
    with pytest.raises(ValueError, match=r"^This sweep would need about"):
        check_sweep(runs, 2, room=Room(0.99 * enough.size, math.inf))
    with pytest.raises(ValueError, match=r"^This sweep would take about"):
        check_sweep(runs, 2, room=Room(math.inf, 0.99 * enough.seconds))


@pytest.mark.parametrize(("said", "minutes"), [("", 60), ("x", 60), ("2.5", 2.5)])
def test_minutes_come_from_the_environment(monkeypatch, said, minutes):
    monkeypatch.setenv(needs.MINUTES, said)
    assert Room.here().seconds == 60 * minutes


class TestFreeMemory:
    @pytest.fixture(autouse=True)
    def no_hub(self, monkeypatch):
        monkeypatch.delenv("MEM_LIMIT", raising=False)

    @pytest.fixture
    def files(self, monkeypatch, tmp_path):
        monkeypatch.setattr(needs, "_CGROUP", tmp_path)
        monkeypatch.setattr(needs, "_MEMORY", tmp_path / "meminfo")
        (tmp_path / "meminfo").write_text("MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n")
        return tmp_path

    def test_of_this_machine(self):
        assert 50e6 < needs.free_memory() < math.inf

    def test_of_a_machine_without_containers(self, files):
        assert needs.free_memory() == 8000000 * 1024

    @pytest.mark.parametrize(("limit", "free"), [("max", 8192e6), ("2000000000", 1.1e9)])
    def test_of_a_container(self, files, limit, free):
        (files / "memory.max").write_text(f"{limit}\n")
        (files / "memory.current").write_text("1000000000\n")
        (files / "memory.stat").write_text("anon 5\ninactive_file 100000000\n")
        assert needs.free_memory() == free

    def test_of_a_container_that_is_full(self, files):
        (files / "memory.max").write_text("1000\n")
        (files / "memory.current").write_text("2000\n")
        (files / "memory.stat").write_text("inactive_file 0\n")
        assert needs.free_memory() == 0

    def test_of_a_hub(self, files, monkeypatch):
        if not needs.Path("/proc/self/statm").exists():
            pytest.skip("the system says nothing of this process")
        monkeypatch.setenv("MEM_LIMIT", "1073741824")
        assert 0 < needs.free_memory() < 1073741824
