"""What is told of a wheel that would not load, and of sources that are not the expected ones. The libraries here are
made by clang and lld for each system, without its files; portable_wheels.py itself, which takes minutes, is run for a
release."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support import BUILD_DIR, REPOSITORY

sys.path.insert(0, str(REPOSITORY / "capi" / "python"))

import portable_wheel_check
import portable_wheels

TIMEOUT_S = 120
LINUX = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
MACOS = {"x86_64": "x86_64-apple-macos", "arm64": "arm64-apple-macos"}
CODE = "int tcsync_version_number(void) { return 1; }\n"
PORTABLE = pytest.mark.parametrize(
    "platform",
    ["manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "macosx_11_0_x86_64", "macosx_11_0_arm64"],
)


def parts_of(platform):
    """The words of the platform's name, the processor at the end."""
    *system, processor = platform.replace("x86_64", "x86-64").split("_")
    return [*system, processor.replace("-", "_")]


def link(directory, platform, *flags, code=CODE, name="library"):
    """A library for the platform, which need not have a file here."""
    *system, processor = parts_of(platform)
    source = directory / f"{name}.c"
    source.write_text(code, encoding="utf-8")
    if system[0] == "manylinux":
        library = directory / f"{name}.so"
        target, kind = LINUX[processor], "-shared"
    else:
        library = directory / f"{name}.dylib"
        target, kind = f"{MACOS[processor]}{system[1]}.{system[2]}", "-dynamiclib"
        flags = ["-Wl,-install_name,@rpath/libtcsync.0.dylib", *flags]
    subprocess.run(["clang", "-target", target, "-nostdlib", kind, "-fuse-ld=lld", source, *flags, "-o", library],
                   check=True, timeout=TIMEOUT_S)  # fmt: skip
    return library


def run(*command):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def wheel(directory, platform, *libraries):
    path = directory / f"tcsync-0.1.0-py3-none-{platform}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tcsync/__init__.py", "")
        for library in libraries:
            archive.write(library, f"tcsync/{library.name}")
    return str(path)


def faults(directory, platform, *flags, built_for=None, code=CODE):
    library = link(directory, built_for or platform, *flags, code=code)
    return list(portable_wheel_check.faults(wheel(directory, platform, library)))


@PORTABLE
def test_a_library_that_needs_nothing_passes(tmp_path, platform):
    assert faults(tmp_path, platform) == []


@PORTABLE
def test_a_further_export_is_a_fault(tmp_path, platform):
    """If this fails, a symbol of OpenSSL in our library may take the place of the program's own."""
    assert faults(tmp_path, platform, code=CODE + "int SSL_new(void) { return 1; }\n") == ["it exports SSL_new"]


@PORTABLE
def test_a_library_of_this_machine_alone_is_a_fault(tmp_path, platform):
    suffix = ".so" if platform.startswith("manylinux") else ".dylib"
    name = ["-Wl,-soname,libssl.so.3"] if suffix == ".so" else ["-Wl,-install_name,/opt/lib/libssl.3.dylib"]
    other = link(tmp_path, platform, *name, code="int SSL_number = 1;\n", name="libssl")
    code = "extern int SSL_number;\nint* tcsync_version_number(void) { return &SSL_number; }\n"
    (fault,) = faults(tmp_path, platform, str(other), code=code)
    assert fault.startswith("it needs ") and "libssl" in fault


@PORTABLE
def test_a_search_path_is_a_fault(tmp_path, platform):
    assert "it searches for libraries along a path of its own" in faults(tmp_path, platform, "-Wl,-rpath,/opt/lib")


@PORTABLE
def test_a_path_of_the_builder_is_a_fault(tmp_path, platform):
    code = 'const char* tcsync_version_number(void) { return "/home/ada/tcsync/src/x.h"; }\n'
    assert faults(tmp_path, platform, code=code) == ["it has the path /home/ada/tcsync/src/x.h"]


@PORTABLE
def test_another_processor_is_a_fault(tmp_path, platform):
    *system, processor = parts_of(platform)
    (other,) = (LINUX if system[0] == "manylinux" else MACOS).keys() - {processor}
    found = faults(tmp_path, platform, built_for="_".join([*system, other]))
    assert found == [f"it is for the processor {other}"]


@PORTABLE
def test_another_system_is_a_fault(tmp_path, platform):
    other = "macosx_11_0_x86_64" if platform.startswith("manylinux") else "manylinux_2_28_x86_64"
    (fault,) = faults(tmp_path, platform, built_for=other)
    assert fault.endswith(f" is no library for {platform}")


def test_a_later_glibc_is_a_fault(tmp_path):
    versions = tmp_path / "versions"
    versions.write_text("GLIBC_2.28 { early; };\nGLIBC_2.29 { late; };\n", encoding="utf-8")
    platform = "manylinux_2_28_x86_64"
    flags = [f"-Wl,--version-script={versions}", "-Wl,-soname,libc.so.6"]
    libc = link(tmp_path, platform, *flags, code="void early(void) {}\nvoid late(void) {}\n", name="libc")
    code = "void {0}(void);\nint tcsync_version_number(void) {{ {0}(); return 1; }}\n"
    assert faults(tmp_path, platform, str(libc), code=code.format("early")) == []
    assert faults(tmp_path, platform, str(libc), code=code.format("late")) == ["it needs GLIBC_2.29 of libc.so.6"]


def test_a_later_macos_is_a_fault(tmp_path):
    found = faults(tmp_path, "macosx_11_0_arm64", built_for="macosx_13_1_arm64")
    assert found == ["it is for macOS 13.1.0 and later"]


def test_a_library_of_something_else_is_a_fault(tmp_path):
    platform = "manylinux_2_28_x86_64"
    found = faults(tmp_path, platform, code="int other(void) { return 1; }\n")
    assert found == ["it exports other", "it does not export tcsync_version_number"]


def test_a_wheel_without_a_library_is_a_fault(tmp_path):
    assert list(portable_wheel_check.faults(wheel(tmp_path, "macosx_11_0_arm64"))) == [
        "it has 0 libraries, and not one: none"
    ]


def test_a_cut_library_is_a_fault(tmp_path):
    platform = "manylinux_2_28_x86_64"
    library = link(tmp_path, platform)
    library.write_bytes(library.read_bytes()[:40])
    assert "it does not export tcsync_version_number" in portable_wheel_check.faults(wheel(tmp_path, platform, library))


def test_the_wheel_of_this_machine_is_for_no_other():
    """The wheel that pip builds is tagged for this machine alone, and rightly: it needs what this machine has."""
    (built,) = (BUILD_DIR / "python-wheel").glob("tcsync-*.whl")
    program = Path(portable_wheel_check.__file__)
    done = subprocess.run(
        [sys.executable, program, built], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 1
    assert "and not for a release of glibc or of macOS" in done.stdout


class TestSources:
    def test_other_bytes_are_refused(self, tmp_path):
        """If this fails, whoever controls the archive controls what people install."""
        (tmp_path / "zlib.tar").write_bytes(b"something else")
        archive = portable_wheels.Archive(tmp_path / "work")
        digest = hashlib.sha256(b"the expected").hexdigest()
        with pytest.raises(portable_wheels.Failure, match=f"and not {digest}: look at"):
            archive.fetch("zlib", "zlib.tar", digest, tmp_path)

    def test_what_was_not_completed_is_made_again(self, tmp_path):
        """If this fails, half of a library is linked after an interrupt."""
        place = tmp_path / "library"
        assert portable_wheels.must_make(place)
        (place / "half").touch()
        assert portable_wheels.must_make(place) and not (place / "half").exists()
        portable_wheels.was_made(place)
        assert not portable_wheels.must_make(place)

    def test_a_failing_command_shows_the_end_of_its_output(self, tmp_path):
        with pytest.raises(portable_wheels.Failure, match=r"(?s)ended with status 3; .*log has its output.*the reason"):
            portable_wheels.run("sh", "-c", "echo the reason; exit 3", log=tmp_path / "log")

    def test_an_unknown_target_is_named(self, tmp_path):
        program = Path(portable_wheels.__file__)
        done = run(program, "--output", tmp_path, "windows")
        assert done.returncode == 2 and "no target windows: there are linux-x86_64" in done.stderr
