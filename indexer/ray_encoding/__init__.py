"""Encoding on Ray: what a build holds (``cluster``), a process that speaks to Ray (``driver``), and its actors.

Only the driver's process and Ray's own import ``ray``.
"""
