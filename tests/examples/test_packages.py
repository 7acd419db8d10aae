"""The packages of the library for other languages (capi/go), by their own tests, with the library of this build."""

import embedders

PACKAGES = embedders.REPOSITORY / "capi"


def test_the_go_package_passes_its_tests():
    """If this fails, a Go program that uses the package loses versions, crashes, or does not compile."""
    embedders.require(embedders.LANGUAGES["go"])
    variables = embedders.go_variables(embedders.OUTPUT / "go")
    embedders.run(["go", "vet", "."], cwd=PACKAGES / "go", **variables)
    # -count=1: a result that is remembered from before is about another library.
    command = ["go", "test", "-count=1", "-timeout=10m", "."]
    embedders.run(command, cwd=PACKAGES / "go", LD_LIBRARY_PATH=str(embedders.LIBRARY.parent), **variables)
    unformatted = embedders.attempt(["gofmt", "-l", ".", embedders.EXAMPLES / "go"], cwd=PACKAGES / "go")
    assert (unformatted.returncode, unformatted.stdout, unformatted.stderr) == (0, "", "")
