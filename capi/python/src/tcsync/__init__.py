"""tcsync: the Python binding of the tcsync library, and on top of it the wizard that sets up Taskwarrior's sync."""
