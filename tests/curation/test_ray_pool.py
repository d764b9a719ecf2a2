"""Which actors a Ray cluster gets: as operators declare, as far as it reaches, and a clear word where it does not."""

from dataclasses import dataclass
from itertools import repeat
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation import ray_pool
from internvideo.curation.operator import Resources
from internvideo.curation.ray_pool import RayPool, refuse_what_cannot_be_had, room_for
from internvideo.errors import InternVideoError, UsageError

CPU_ONLY = [{"CPU": 4.0, "memory": 8e9}, {"CPU": 2.0, "memory": 4e9}]
KINDS = st.builds(Resources, st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([0.0, 0.25, 1.0]), st.just(0))
NODES = st.lists(st.fixed_dictionaries({"CPU": st.integers(0, 9), "GPU": st.integers(0, 3)}), max_size=4)


def test_a_cluster_without_gpus_plans_what_needs_none_and_names_what_does():
    assert room_for(Resources(), CPU_ONLY) == 6 and room_for(Resources(cpus=3), CPU_ONLY) == 1
    refuse_what_cannot_be_had({"shots": Resources(), "hashes": Resources(cpus=4)}, CPU_ONLY)
    with pytest.raises(UsageError, match=r"`embedding-clip` asks for 1 CPUs, 1 GPUs, and no node .* \(4 CPUs, 0 GPUs"):
        refuse_what_cannot_be_had({"shots": Resources(), "embedding-clip": Resources(gpus=1)}, CPU_ONLY)
    with pytest.raises(UsageError, match="5 CPUs"):  # 6 in all, but on no single machine
        refuse_what_cannot_be_had({"large": Resources(cpus=5)}, CPU_ONLY)


@given(KINDS, NODES)
def test_room_is_what_placing_them_one_by_one_finds(kind, nodes):
    placed = 0
    for node in nodes:
        cpus, gpus = float(node["CPU"]), float(node["GPU"])
        while cpus >= kind.cpus and gpus >= kind.gpus:
            cpus, gpus, placed = cpus - kind.cpus, gpus - kind.gpus, placed + 1
    assert room_for(kind, nodes) == placed


@given(KINDS, KINDS)
def test_what_is_enough_for_two_is_enough_for_either(one, two):
    both = one.together(two)
    assert both == two.together(one) and both.together(one) == both
    assert all(getattr(both, name) >= getattr(one, name) for name in ("cpus", "gpus", "memory"))


@dataclass(frozen=True)
class Unit:
    number: int
    due: tuple[str, ...]


class Answer:
    def __call__(self, task, beat):
        import os

        return task.number, os.environ.get("CUDA_VISIBLE_DEVICES", "")


class Cluster:
    """As much of Ray as the pool uses: actors fail with these errors, one after the other, and then work."""

    def __init__(self, exceptions, errors):
        self.exceptions, self.errors, self.waited = exceptions, iter(errors), []

    def remote(self, **_):
        return lambda kind: SimpleNamespace(remote=lambda factory: SimpleNamespace(execute=self))

    def options(self, **_):
        return SimpleNamespace(remote=lambda task: iter([lambda: ("done", task.number, 0.0, False)]))

    def wait(self, streams, **_):
        return streams[:1], streams[1:]

    def get(self, answer):
        for error in self.errors:
            raise error
        return answer()


def a_pool(monkeypatch, cluster):
    monkeypatch.setattr(ray_pool, "_ray", lambda: cluster)
    monkeypatch.setattr(ray_pool.time, "sleep", cluster.waited.append)
    pool = RayPool(Answer, 1)
    pool._nodes = [{"CPU": 1.0}]
    for number in range(3):
        pool.submit(Unit(number, ()))
    return pool


def test_an_actor_that_is_lost_is_nobodys_fault_also_when_ray_kills_it_for_want_of_memory(monkeypatch):
    ray = pytest.importorskip("ray")
    memory, died = ray.exceptions.OutOfMemoryError("low on memory\nmore"), ray.exceptions.ActorDiedError()
    cluster, done = Cluster(ray.exceptions, [memory, died, memory]), []
    pool = a_pool(monkeypatch, cluster)
    for event in pool.events():
        assert event.outside or event.what == "done"
        if event.what == "died":
            pool.submit(event.task)
        else:
            done.append(event.value)
    assert sorted(done) == [0, 1, 2] and cluster.waited == [2, 8]  # memory may be free again; who is dead is dead
    pool = a_pool(monkeypatch, Cluster(ray.exceptions, repeat(memory)))
    with pytest.raises(InternVideoError, match=r"loses every actor that it starts: low on memory\n\nhint"):
        for event in pool.events():
            pool.submit(event.task)


@pytest.mark.slow
def test_pools_of_two_kinds_share_a_small_cluster(monkeypatch):
    """Two processors and one pretended GPU: tasks of the GPU's operator run where it is seen, all others elsewhere."""
    ray = pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ray.init(num_cpus=2, num_gpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        demands = {"embedding": Resources(gpus=1), "shots": Resources()}
        units = [Unit(n, ("shots", "embedding") if n % 2 else ("shots",)) for n in range(8)]
        with RayPool(Answer, 2, demands) as pool:
            for unit in units:
                pool.submit(unit)
            done = {event.value[0]: event.value[1] for event in pool.events() if event.what == "done"}
        assert sorted(done) == list(range(8))
        assert all(bool(done[n]) == bool(n % 2) for n in done), done
        with pytest.raises(UsageError, match="2 GPUs"), RayPool(Answer, 2, {"two": Resources(gpus=2)}):
            pass
    finally:
        ray.shutdown()
