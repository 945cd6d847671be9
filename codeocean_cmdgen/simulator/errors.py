"""The errors that a simulated call may end with."""

from __future__ import annotations


class AwsError(Exception):
    """An error answer of a service: its message, code and HTTP status."""

    def __init__(
        self, message: str, code: str, status: int = 400, headers: dict[str, str] | None = None
    ) -> None:
        """Set the answer; ``headers`` are added to the HTTP response."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.headers = headers or {}


class DisconnectedError(Exception):
    """The connection is cut before an answer is sent."""
