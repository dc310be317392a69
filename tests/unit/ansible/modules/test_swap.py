"""The module `swap`."""

from __future__ import annotations

from ansible_collections.pykubeadm.kube.plugins.modules import swap

from tests.support.modules import Machine


def test_swap_lines_become_comments_and_the_rest_stays():
    table = "UUID=1 / ext4 defaults 0 1\n# UUID=2 none swap sw 0 0\nUUID=3 none\tswap sw 0 0\n/swap.img none swap sw 0 0"
    assert swap.without_swap(table) == (
        "UUID=1 / ext4 defaults 0 1\n# UUID=2 none swap sw 0 0\n"
        f"{swap.MARK}UUID=3 none\tswap sw 0 0\n{swap.MARK}/swap.img none swap sw 0 0"
    )


def test_a_second_time_nothing_changes():
    once = swap.without_swap("/swap none swap sw 0 0\n")
    assert swap.without_swap(once) == once


def test_a_service_that_took_its_swap_with_it_is_no_error(monkeypatch):
    """swapoff of a device that is off already fails."""
    on = ["/dev/zram0", "/dev/sda2"]
    here = Machine({"swapoff /dev/zram0": (255, "Invalid argument")})
    monkeypatch.setattr(swap, "devices", lambda: on[1:])
    plan = swap.Plan(here)
    swap.end_devices(plan, on)
    assert plan.actions == here.commands == ["swapoff /dev/sda2"]
