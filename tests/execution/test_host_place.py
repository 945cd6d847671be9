"""Each script for a services instance refuses every other machine, and changes nothing on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.cases import HOST_STEPS
from tests.support.people import script, writes

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator import Simulator
    from tests.support.services_host import HostOf, ServicesHost

TARGET, OTHER = "333333333333", "444444444444"


def refuses(host: ServicesHost, words: str, **values: str) -> None:
    """Run every script for the host: it must stop with exit 3 and one line, having done nothing."""
    for step in HOST_STEPS:
        host.simulator.clear_requests()
        before = files(host)
        printed = script(step, **{"account_id": TARGET, **values})
        outcome = host.person().run(printed, CONFIRM="anything")
        assert (outcome.code, outcome.output) == (3, ""), (step, outcome)
        (line,) = outcome.errors.splitlines()
        assert line.startswith("stopped: "), (step, line)
        assert words in line, (step, line)
        assert writes(host.simulator) == [], step
        assert files(host) == before, step


def files(host: ServicesHost) -> str:
    """List what a script might leave behind."""
    places = ["/etc/cron.d", "/etc/systemd/system", "/var/lib", "/mnt", "/tmp", "/data"]
    names = ["-maxdepth", "2", "-not", "-path", "/data/codeocean/*", "-printf", "%p %y %l\n"]
    return host.root("find", *places, "-xdev", *names).stdout


def forge(host: ServicesHost, stack: str | None = None, **place: str) -> None:
    """Let the machine's own description say what it is not."""
    file = host.path("/etc/codeocean/stack.json")
    document = json.loads(file.read_text())
    document["AWS"].update(place)
    document["Stack"] = stack or document["Stack"]
    file.write_text(json.dumps(document))


@pytest.mark.newest_cli
def test_a_script_for_another_deployment(host: ServicesHost) -> None:
    expected = "stopped: /etc/codeocean/stack.json: expected account, Region and stack "
    found = f"; found {TARGET} us-east-1 codeocean"
    refuses(host, f"{expected}{OTHER} us-east-1 codeocean{found}", account_id=OTHER)
    refuses(host, f"{expected}{TARGET} us-east-2 codeocean{found}", region="us-east-2")
    refuses(host, f"{expected}{TARGET} us-east-1 other{found}", stack_name="other")


def test_a_machine_that_only_says_so(host: ServicesHost) -> None:
    expected = "the instance's identity document: expected account and Region "
    found = f"; found {TARGET} us-east-1"
    forge(host, AccountID=OTHER)
    refuses(host, f"{expected}{OTHER} us-east-1{found}", account_id=OTHER)
    forge(host, AccountID=TARGET, Region="us-east-2")
    refuses(host, f"{expected}{TARGET} us-east-2{found}", region="us-east-2")
    forge(host, Region="us-east-1", stack="other")
    tags = "the instance's EC2 tags: expected stack other; found codeocean"
    refuses(host, tags, stack_name="other")


@pytest.mark.parametrize("text", ["", "{}", "no JSON", '{"AWS": []}'])
def test_a_description_that_says_nothing(host: ServicesHost, text: str) -> None:
    host.path("/etc/codeocean/stack.json").write_text(text)
    refuses(host, "/etc/codeocean/stack.json: expected account, Region and stack ")


def test_no_services_instance_at_all(host: ServicesHost) -> None:
    host.path("/etc/codeocean/stack.json").unlink()
    refuses(
        host,
        "/etc/codeocean/stack.json is missing: this is not a services instance. The script is for "
        f"that of account {TARGET}, us-east-1, stack codeocean",
    )
    forged = {"AWS": {"AccountID": TARGET, "Region": "us-east-1"}, "Stack": "codeocean"}
    host.path("/etc/codeocean/stack.json").write_text(json.dumps(forged))
    host.root("ip", "address", "delete", "169.254.169.254/32", "dev", "lo")
    refuses(
        host,
        f"the instance's identity document: expected account and Region {TARGET} us-east-1; "
        "found nothing",
    )


def test_credentials_that_do_not_see_the_instance(host_of: HostOf, simulator: Simulator) -> None:
    refuses(
        host_of(TARGET, actions=["ssm:*"]), "ec2:DescribeInstances failed for this instance, i-"
    )
    assert simulator.calls("AttachVolume") == []


def test_no_data_volume(host: ServicesHost) -> None:
    host.root("systemctl", "stop", "codeocean")
    host.root("umount", "/data")
    refuses(host, "no data volume is mounted at /data")
