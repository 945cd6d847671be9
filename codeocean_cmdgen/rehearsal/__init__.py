"""Rehearses a procedure: a world is built, lost, and brought back by generated scripts alone."""
