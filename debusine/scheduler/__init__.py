"""Hands waiting work to fitting workers."""
