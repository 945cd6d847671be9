"""Tests of the programs that scripts hold."""
