"""A programme year played on a fresh platform, only through the public HTTP APIs.

`plan` decides from a seed what happens, without any I/O; `play` has it happen as clients would.
"""
