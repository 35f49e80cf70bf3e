"""Run a program and print what it cost: wall and CPU seconds, and the largest memory it held, as the kernel counts it.

A program of its own, because the kernel counts the memory of whoever starts a process as that process's own: it must be
small, so it imports next to nothing.
"""
# ruff: noqa: T201 - a program that prints

import os
import sys
import time

began = time.perf_counter()
nowhere = os.open(os.devnull, os.O_WRONLY)
said = os.memfd_create("said") if hasattr(os, "memfd_create") else os.dup(2)
streams = [(os.POSIX_SPAWN_DUP2, nowhere, 1), (os.POSIX_SPAWN_DUP2, said, 2)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=streams)
_, status, usage = os.wait4(child, 0)
wall_s = time.perf_counter() - began
if status:
    os.lseek(said, 0, os.SEEK_SET)
    sys.exit(f"{sys.argv[1:]} ended with {os.waitstatus_to_exitcode(status)}: {os.read(said, 10_000).decode()}")
print([wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss])
