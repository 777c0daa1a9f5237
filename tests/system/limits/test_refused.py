"""Where the kernel does not let corn divide its group it says so, and measures memory itself."""

from collections.abc import Callable

from inside import Client, both, expects, group_of, groups, is_one_page, never_restarted, pid_of, told, top
from machine import Instance, drop_in, systemctl, wait_for

from corn_systemd.systemd import messages

Make = Callable[..., Instance]
ADDRESS = "127.0.0.1:8204"


def test_an_instance_that_may_not_divide_its_group_works_and_says_so_once(instance: Make) -> None:
    one = instance("locked", "hungry", listen=[ADDRESS], limits={"memory_hard": "120M"}, reload=False)
    drop_in(one.service, "[Service]\nProtectControlGroups=yes\n")
    systemctl("daemon-reload")
    one.start()
    main_pid, before = one.main_pid, wait_for(lambda: both(one), "two workers")
    assert {group_of(pid) for pid in (main_pid, *before)} == {top(one)}
    client, neighbour = Client(ADDRESS), Client(ADDRESS)
    pid_of(neighbour)
    answer, seconds = client.ask_until_the_end("/slowly")
    print(f"answered after {seconds:.2f} s")
    is_one_page(answer, "503 Service Unavailable", "the server used too much memory")
    entry = expects(one, messages.REQUEST_TAKEN_OVER, request="GET /slowly", limit="memory_hard")
    assert int(entry["CORN_PID"]) in before
    wait_for(lambda: both(one) and both(one) != before, "another in its place")
    assert pid_of(neighbour) in both(one)
    systemctl("reload", one.service)
    refused = expects(one, messages.GROUPS_REFUSED)
    assert refused["CORN_CAUSE"] == "Read-only file system"
    assert refused["CORN_PATH"].startswith(str(top(one)))
    assert not groups(top(one)) and not told(one, messages.WORKER_DIED)
    never_restarted(one, main_pid)
