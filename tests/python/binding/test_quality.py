"""The package is typed, as its users' tools will check it. tests/lint.sh has ruff and mypy."""


def test_no_any_in_public_signatures():
    """If this fails, a user's type checker is blind behind one of these functions."""
    import inspect
    import typing

    import tcsync

    for name in tcsync.__all__:
        public = getattr(tcsync, name)
        if not inspect.isroutine(public) and not inspect.isclass(public):
            continue
        functions = [public] if inspect.isroutine(public) else [
            method for key, method in vars(public).items() if inspect.isfunction(method) and not key.startswith("_")
        ]  # fmt: skip
        for function in functions:
            hints = inspect.get_annotations(function)
            assert hints, f"{name}.{function.__name__} has no types"
            assert typing.Any not in hints.values() and not [hint for hint in hints.values() if "Any" in str(hint)]
