"""Print what a PostgreSQL server keeps instead of a password: its verifier for SCRAM-SHA-256.

The password comes from standard input, without a newline. So it reaches neither the server nor the
server's log. Source: RFC 5803; src/common/scram-common.c of PostgreSQL.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from base64 import b64encode

ITERATIONS = 4096


def verifier(password: bytes, salt: bytes) -> str:
    """Return the verifier of a password in ASCII."""
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    salt_text, stored, server = (
        b64encode(part).decode("ascii") for part in (salt, stored_key, server_key)
    )
    return "$".join(["SCRAM-SHA-256", f"{ITERATIONS}:{salt_text}", f"{stored}:{server}"])


def main() -> None:
    """Print the verifier, with a salt of its own."""
    sys.stdout.write(verifier(sys.stdin.buffer.read(), os.urandom(16)) + "\n")


if __name__ == "__main__":
    main()
