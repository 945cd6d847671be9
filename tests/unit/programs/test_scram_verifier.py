"""What a PostgreSQL server keeps instead of a password."""

from __future__ import annotations

from codeocean_cmdgen.programs.scram_verifier import verifier


def test_the_verifier_of_rfc_7677() -> None:
    """Its example has user "user", password "pencil", this salt and 4096 iterations."""
    salt = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81"
    assert verifier(b"pencil", salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
