#!/usr/bin/env python3
"""Checks that a wheel's library loads where the wheel's name says: reads it, and runs nothing.

    portable_wheel_check.py WHEEL...

    library             one, of the processor and the system in the name of the wheel
    needed libraries    the system's own, by names that need no search
    oldest system       no symbol of a later glibc, or no later macOS, than the name's
    exported symbols    those of tcsync.h and no others, so that no other library in the process meets ours
    paths               of no directory of the computer that built it

Exit status: 0, or 1 with a line for each fault.
"""

import io
import re
import sys
import zipfile

import lief

LINUX = re.compile(r"manylinux_(\d+)_(\d+)_(x86_64|aarch64)")
MACOS = re.compile(r"macosx_(\d+)_(\d+)_(x86_64|arm64)")
# What every glibc and every macOS has. Linux has more of them until glibc 2.34, which is one library.
LINUX_NEEDED = re.compile(r"(lib(c|m|dl|pthread|rt|resolv)\.so\.[0-9]+|ld-linux-(x86-64|aarch64)\.so\.[0-9]+)")
MACOS_NEEDED = re.compile(r"/usr/lib/lib(System\.B|resolv\.9|c\+\+\.1)\.dylib|/System/Library/Frameworks/.*")
PROCESSORS = {
    lief.ELF.ARCH.X86_64: "x86_64",
    lief.ELF.ARCH.AARCH64: "aarch64",
    lief.MachO.Header.CPU_TYPE.X86_64: "x86_64",
    lief.MachO.Header.CPU_TYPE.ARM64: "arm64",
}


def faults_of_exports(names):
    for name in sorted(names):
        if not name.startswith("tcsync_"):
            yield f"it exports {name}"
    if "tcsync_version_number" not in names:
        yield "it does not export tcsync_version_number"


def faults_of_processor(number, processor):
    found = PROCESSORS.get(number, number)
    if found != processor:
        yield f"it is for the processor {found}"


def faults_of_elf(library, platform):
    major, minor, processor = LINUX.fullmatch(platform).groups()
    yield from faults_of_processor(library.header.machine_type, processor)
    for name in library.libraries:
        if not LINUX_NEEDED.fullmatch(name):
            yield f"it needs {name}, which not every Linux has"
    newest = (int(major), int(minor))
    for requirement in library.symbols_version_requirement:
        for version in requirement.get_auxiliary_symbols():
            numbers = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", version.name)
            if numbers and (int(numbers[1]), int(numbers[2])) > newest:
                yield f"it needs {version.name} of {requirement.name}"
    if library.has(lief.ELF.DynamicEntry.TAG.RPATH) or library.has(lief.ELF.DynamicEntry.TAG.RUNPATH):
        yield "it searches for libraries along a path of its own"
    yield from faults_of_exports({symbol.name for symbol in library.exported_symbols})


def faults_of_mach_o(library, platform):
    major, minor, processor = MACOS.fullmatch(platform).groups()
    yield from faults_of_processor(library.header.cpu_type, processor)
    for needed in library.libraries:
        if needed.command != lief.MachO.LoadCommand.TYPE.ID_DYLIB and not MACOS_NEEDED.fullmatch(needed.name):
            yield f"it needs {needed.name}, which not every macOS has"
    build = library.build_version
    if build is None:
        yield "it does not name its oldest macOS"
    elif list(build.minos[:2]) > [int(major), int(minor)]:
        yield f"it is for macOS {'.'.join(map(str, build.minos))} and later"
    if library.has_rpath:
        yield "it searches for libraries along a path of its own"
    yield from faults_of_exports({symbol.name.removeprefix("_") for symbol in library.exported_symbols})
    if PROCESSORS.get(library.header.cpu_type) == "arm64" and not library.has_code_signature:
        yield "it has no signature, without which a Mac with Apple's processor loads nothing"


def faults_of_bytes(data):
    for path in sorted(set(re.findall(rb"/(?:home|root|tmp|work|build|usr/src|usr/include)/[!-~]+", data))):
        yield f"it has the path {path.decode()}"


def faults(wheel):
    """Sentences, about a wheel by its path."""
    platform = wheel.rsplit("-", 1)[-1].removesuffix(".whl")
    if not LINUX.fullmatch(platform) and not MACOS.fullmatch(platform):
        yield f"its name is for {platform}, and not for a release of glibc or of macOS"
        return
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if re.search(r"\.(so|dylib)(\.|$)", name)]
        if len(names) != 1:
            yield f"it has {len(names)} libraries, and not one: {', '.join(names) or 'none'}"
            return
        data = archive.read(names[0])
    library = lief.parse(io.BytesIO(data))
    if isinstance(library, lief.ELF.Binary) and LINUX.fullmatch(platform):
        yield from faults_of_elf(library, platform)
    elif isinstance(library, lief.MachO.Binary) and MACOS.fullmatch(platform):
        yield from faults_of_mach_o(library, platform)
    else:
        yield f"{names[0]} is no library for {platform}"
        return
    yield from faults_of_bytes(data)


def main(wheels):
    if not wheels:
        sys.exit(__doc__)
    status = 0
    for wheel in wheels:
        for fault in faults(wheel):
            print(f"{wheel}: {fault}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
