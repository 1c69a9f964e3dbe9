"""Engines, their worker processes and their owner."""
