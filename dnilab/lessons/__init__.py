"""Rooms: what serves one lesson stands together, by the same jobs as in the house.

A room imports the core, and never another room; the core imports no room.
"""
