"""The agent that keeps one computer in sync by itself: `tcsync auto` starts and stops it.

It holds no secret, and changes nothing itself: it runs `task sync` when this computer has changes to send, and when the
server has changes of another one.
"""
