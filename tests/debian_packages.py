"""Small Debian source packages for tests, made without any tool of Debian's."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

CONTROL = """\
Source: {name}
Section: misc
Priority: optional
Maintainer: Debusine Tests <tests@example.org>
Standards-Version: 4.6.2
Rules-Requires-Root: no
{build_depends}
Package: {name}
Architecture: {architecture}
Description: tiny package for tests
 It says tiny, and nothing else.
"""

RULES = """\
#!/usr/bin/make -f
P := {name}
D := debian/$(P)
build build-arch build-indep:
{build}
binary: binary-arch binary-indep
binary-arch binary-indep: build
	rm -rf $(D)
	install -d $(D)/DEBIAN $(D)/usr/bin $(D)/usr/share/doc/$(P)
	printf '#!/bin/sh\\necho tiny\\n' > $(D)/usr/bin/$(P); chmod 755 $(D)/usr/bin/$(P)
	{copyright}install -m 644 debian/copyright $(D)/usr/share/doc/$(P)/copyright
	install -d $(D)/usr/share/lintian/overrides
	printf '%s\\n' {overrides} > $(D)/usr/share/lintian/overrides/$(P)
	gzip -9n < debian/changelog > $(D)/usr/share/doc/$(P)/changelog.gz
	cd $(D) && find . -type f ! -path './DEBIAN/*' -printf '%P\\0' | sort -z | xargs -0 md5sum > DEBIAN/md5sums
	dpkg-gencontrol -p$(P) -P$(D)
	dpkg-deb --root-owner-group --build $(D) ..
clean:
	rm -rf $(D) debian/files
.PHONY: build build-arch build-indep binary binary-arch binary-indep clean
"""

CHANGELOG = """\
{name} ({version}) unstable; urgency=medium

  * For tests.

 -- Debusine Tests <tests@example.org>  Wed, 01 Jan 2025 12:00:00 +0000
"""

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2025 Debusine Tests
License: Expat
 Permission is hereby granted, free of charge, to any person obtaining a copy of this thing, to do as they please.
"""

DSC = """\
Format: 3.0 (native)
Source: {name}
Binary: {name}
Architecture: {architecture}
Version: {version}
Maintainer: Debusine Tests <tests@example.org>
Standards-Version: 4.6.2
{build_depends}Package-List:
 {name} deb misc optional arch={architecture}
Checksums-Sha1:
 {sha1} {size} {tarball}
Checksums-Sha256:
 {sha256} {size} {tarball}
Files:
 {md5} {size} {tarball}
"""


@frozen(kw_only=True)
class SourcePackage:
    """A native source package that needs no debhelper; small enough to build in a second."""

    name: str = "tiny-nodh"
    version: str = "1.0"
    architecture: str = "all"
    #: Lines of shell for the build target.
    build: tuple[str, ...] = ("true",)
    build_depends: str = ""
    #: Without it, lintian finds an error: no-copyright-file.
    copyright: bool = True
    #: Lines of the package's overrides for lintian.
    overrides: tuple[str, ...] = ()
    more_files: Mapping[str, str] = field(factory=dict)

    def write(self, directory: Path) -> Path:
        """Write the tarball and the .dsc, and return the .dsc's path."""
        directory.mkdir(parents=True, exist_ok=True)
        tarball = directory / f"{self.name}_{self.version}.tar.xz"
        tarball.write_bytes(self._tarball())
        dsc = directory / f"{self.name}_{self.version}.dsc"
        dsc.write_text(self._dsc(tarball))
        return dsc

    def files(self) -> dict[str, str]:
        """The source tree: path → text."""
        facts = {"name": self.name, "version": self.version, "architecture": self.architecture}
        build = "".join(f"\t{line}\n" for line in self.build)
        overrides = " ".join(f"'{line}'" for line in self.overrides) or "'# none'"
        return {
            "debian/control": CONTROL.format(**facts, build_depends=self._build_depends()),
            "debian/rules": RULES.format(
                **facts, build=build, overrides=overrides, copyright="" if self.copyright else "#"
            ),
            "debian/changelog": CHANGELOG.format(**facts),
            "debian/copyright": COPYRIGHT,
            "debian/source/format": "3.0 (native)\n",
            **self.more_files,
        }

    def _build_depends(self) -> str:
        return f"Build-Depends: {self.build_depends}\n" if self.build_depends else ""

    def _tarball(self) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:xz", format=tarfile.GNU_FORMAT) as archive:
            for path, text in sorted(self.files().items()):
                member = tarfile.TarInfo(f"{self.name}-{self.version}/{path}")
                member.size, member.mode = len(text.encode()), 0o755 if path == "debian/rules" else 0o644
                member.mtime = 1735732800
                archive.addfile(member, io.BytesIO(text.encode()))
        return packed.getvalue()

    def _dsc(self, tarball: Path) -> str:
        content = tarball.read_bytes()
        sums = {name: hashlib.new(name, content).hexdigest() for name in ("md5", "sha1", "sha256")}
        return DSC.format(
            name=self.name,
            version=self.version,
            architecture=self.architecture,
            build_depends=self._build_depends(),
            size=len(content),
            tarball=tarball.name,
            **sums,
        )
