"""Rehearses a procedure: builds a world, loses it, and restores it with generated scripts only."""
