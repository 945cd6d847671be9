"""People on a services instance, as the tests of the steps that run there need them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.simulator import Simulator
    from tests.support.people import PersonOf
    from tests.support.services_host import HostOf, ServicesHost

WHO = "aws sts get-caller-identity --query Account --output text"


def test_the_cli_is_where_it_is_called(
    host_of: HostOf, person: PersonOf, simulator: Simulator
) -> None:
    people = [host_of(account).person() for account in ("222222222222", "333333333333")]
    everybody = [*people, person("111111111111")]
    assert [one.run(f"{WHO} | cat").output.strip() for one in everybody] == [
        "222222222222",
        "333333333333",
        "111111111111",
    ]
    assert people[0].run(f"sudo {WHO}; sudo systemd-run --quiet --pipe {WHO}").output == (
        "222222222222\n222222222222\n"
    )


def test_the_cli_sees_the_callers_files_and_rights(host: ServicesHost) -> None:
    host.path("/tmp/secret").write_text("of root")
    host.path("/tmp/secret").chmod(0o600)
    put = (
        "aws ssm put-parameter --name /codeocean/secret --type SecureString --region us-east-1 "
        "--output text --value"
    )
    person = host.person()
    assert "Permission denied" in person.run(f"{put} file:///tmp/secret").errors
    assert person.run(f"sudo {put} file:///tmp/secret").output == "Standard\t1\n"
    piped = person.run(f"printf new | sudo {put} file:///dev/stdin --overwrite")
    assert piped.output == "Standard\t2\n"


def test_sleep_lets_simulated_time_pass(host: ServicesHost, simulator: Simulator) -> None:
    before, start = simulator.clock.now(), time.monotonic()
    host.person().run("sudo sh -c 'sleep 100; sleep 1m'; sudo systemd-run --wait sleep 40")
    assert (simulator.clock.now() - before).total_seconds() == 200
    assert time.monotonic() - start < 10


def test_somebody_types_an_answer(host: ServicesHost, tmp_path: Path) -> None:
    ask = "read -r -p 'type it: ' word </dev/tty; echo \"<$word>\"; exit 3"
    host.path("/tmp/ask").write_text(ask)
    with host.terminal(tmp_path / "terminal") as terminal:
        terminal.type("sudo bash /tmp/ask\r")
        terminal.wait_for("type it: ")
        terminal.type("vol-1\r")
        assert (terminal.answer(), terminal.said("<vol-1>")) == (3, 1)
        terminal.type("sudo sh -c 'echo asleep; sleep infinity'\r")
        terminal.wait_for("\nasleep")
        terminal.interrupt()
        assert terminal.run("id --user --name") == 0
        assert terminal.said("ssm-user") == 1
