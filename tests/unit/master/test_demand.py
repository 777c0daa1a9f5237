"""What is read of workers: how busy they were, who waited, and what memory the largest has."""

import os
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from corn_systemd.limits.allotment import Left
from corn_systemd.master import demand as module
from corn_systemd.master.demand import Demand
from corn_systemd.policy.scaling import Load, Memory
from corn_systemd.relay import Relay
from corn_systemd.scoreboard import Scoreboard


class FakeGroup:
    def __init__(self, size: int) -> None:
        self.size = size

    def private_bytes(self) -> int:
        return self.size


class World:
    """Workers that are nothing but slots, and a listener with whoever knocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.board = Scoreboard.create(8)
        self.relay = Relay.create()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.cpu: dict[int, float] = {}
        self.records: list[Any] = []
        monkeypatch.setattr(module.spawn, "cpu_seconds", lambda pid: self.cpu.get(pid, 0.0))
        children: Any = SimpleNamespace(of=lambda role, *states: self.records)
        listeners: Any = [SimpleNamespace(socket=self.listener)]
        self.demand = Demand(children, self.board, self.relay, listeners, 100.0)

    def add(self, private: int = 0) -> Any:
        number = len(self.records)
        slot = self.board.slot(number)
        slot.claim(1000 + number, 1, "http")
        self.records.append(
            SimpleNamespace(key=number, slot=number, pid=1000 + number, group=FakeGroup(private))
        )
        return slot

    def close(self) -> None:
        self.relay.close()
        self.listener.close()
        os.close(self.board.fd)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Any:
    one = World(monkeypatch)
    yield one
    one.close()


def test_busy_is_who_is_in_a_request_or_uses_the_cpu_each_as_far_as_he_does(world: World) -> None:
    waits, computes, _idle = world.add(), world.add(), world.add()
    world.demand.read(100.0)
    waits.begin(3, "id-1", "GET", "/", now=100.5)
    world.cpu[1001] = 0.25
    computes.begin(3, "id-1", "GET", "/", now=100.1)
    computes.end(100.2, 0)
    assert world.demand.read(101.0) == Load(100.0, 3, pytest.approx(0.5 + 0.25), 0.0)
    # Nobody is busier than all the time, whatever was read in between.
    waits.end(101.5, 0)
    world.cpu[1001] = 9.0
    assert world.demand.read(102.0) == Load(101.0, 3, pytest.approx(0.5 + 1.0), 0.0)


def test_waiting_is_how_many_did_on_average_and_one_at_least_where_anybody_does(world: World) -> None:
    slot = world.add()
    world.demand.read(100.0)
    for _ in range(10):
        slot.begin(3, "id-1", "GET", "/", now=100.0, wait=0.3)
        slot.end(100.0, 0)
    assert world.demand.read(102.0).waiting == pytest.approx(1.5)
    with socket.create_connection(world.listener.getsockname()):
        assert world.demand.read(103.0).waiting == 1.0
        world.listener.accept()[0].close()
    assert world.demand.read(104.0).waiting == 0.0
    assert world.relay.give([({}, (world.listener.fileno(),))])
    assert world.demand.read(105.0).waiting == 1.0


def test_what_somebody_did_before_he_was_looked_at_does_not_count(world: World) -> None:
    slot = world.add()
    slot.begin(3, "id-1", "GET", "/", now=10.0, wait=60.0)
    assert world.demand.read(101.0) == Load(100.0, 1, 0.0, 0.0)
    world.demand.restart(200.0)
    assert world.demand.read(201.0) == Load(200.0, 1, 0.0, 0.0)
    assert world.demand.read(202.0) == Load(201.0, 1, 1.0, 0.0)


def test_another_may_need_what_the_largest_has(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.allotment, "memory_left", lambda path: Left(300.0, "it"))
    monkeypatch.setattr(module.allotment, "memory_pressure", lambda path: 1.5)
    assert world.demand.memory() == Memory(300.0, "it", 0, 1.5)
    world.add(private=200)
    world.add(private=100)
    assert world.demand.memory() == Memory(300.0, "it", 200, 1.5)
