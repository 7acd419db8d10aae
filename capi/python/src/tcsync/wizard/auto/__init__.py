"""The agent that keeps one computer in sync by itself: `tcsync auto` starts and stops it.

When this computer has changes to send, or the server has changes of another one, it starts a program that reads
Taskwarrior's settings and syncs once. It holds no secret itself.
"""
