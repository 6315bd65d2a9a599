"""Three hosts on this machine: network namespaces with names and addresses of their own."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers import need, run


class Network:
    """host1, host2 and host3 on a bridge of their own. This machine reaches them as well.

    Attributes
    ----------
    link, address : dict of str
        By name of the host.
    own : Path
        A folder that is another one on each host.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        need(["ip"], ["iproute2"])
        if os.geteuid() != 0:
            pytest.skip("only root can make network namespaces")
        mark = os.getpid() % 1_000_000
        subnet = f"10.77.{mark % 256}"
        self.address = {f"host{n}": f"{subnet}.{n}" for n in (1, 2, 3)}
        self.link = {name: f"cd{name[-1]}x{mark}" for name in self.address}
        self.own = folder / "own"
        self.own.mkdir()
        self._names = folder / "hosts"
        lines = (f"{address} {name}\n" for name, address in self.address.items())
        self._names.write_text("127.0.0.1 localhost\n" + "".join(lines))
        bridge = f"cdbx{mark}"
        try:
            run("ip", "link", "add", bridge, "type", "bridge")
        except AssertionError as error:
            pytest.skip(f"no network namespaces here: {error}")
        stack.callback(run, "ip", "link", "del", bridge)
        run("ip", "addr", "add", f"{subnet}.9/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        for name, link in self.link.items():
            run("ip", "netns", "add", link)
            stack.callback(run, "ip", "netns", "del", link)
            run("ip", "link", "add", link, "type", "veth", "peer", "name", "e0", "netns", link)
            run("ip", "link", "set", link, "master", bridge, "up")
            run("ip", "-n", link, "addr", "add", f"{self.address[name]}/24", "dev", "e0")
            for each in ("e0", "lo"):
                run("ip", "-n", link, "link", "set", each, "up")

    def on(self, name: str, command: list[str]) -> list[str]:
        """Turn a command into one that runs it on a host."""
        before = (
            f"hostname {name}; mount --bind {self._names} /etc/hosts; "
            f'mount -t tmpfs none {self.own}; exec "$@"'
        )
        # not ip netns exec, which would hide the cgroups
        inside = ["nsenter", f"--net=/run/netns/{self.link[name]}", "unshare", "-u", "-m"]
        return [*inside, "bash", "-c", before, "bash", *command]

    def cut(self, name: str) -> None:
        """Have nothing pass to or from a host any more."""
        run("ip", "link", "set", self.link[name], "down")

    def mend(self, name: str) -> None:
        """Undo `cut`."""
        run("ip", "link", "set", self.link[name], "up")
