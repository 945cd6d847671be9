"""A local, stateful AWS with several accounts, for tests, demonstrations and trying scripts.

Built on moto, with S3 Batch Replication, AWS Backup copies, strict validation, simulated time and
fault injection added. Needs the extra ``simulator``.
"""

from codeocean_cmdgen.simulator.console import simulate
from codeocean_cmdgen.simulator.errors import AwsError
from codeocean_cmdgen.simulator.server import Account, Request, Simulator
from codeocean_cmdgen.simulator.world import World, example_world

__all__ = [
    "Account",
    "AwsError",
    "Request",
    "Simulator",
    "World",
    "example_world",
    "simulate",
]
