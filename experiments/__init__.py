"""Measurements that a claim in the documentation rests on, to be run again by whoever doubts it."""
