# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Print the SBOM of a release in CycloneDX's JSON: what the tree of ci/stage.sh contains, without its Python files.

Usage: python sbom.py TREE      the tree's date is that of the SBOM

Each file is listed with its SHA-256, which identifies one build of a loader.
"""

from __future__ import annotations

import hashlib
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

DATA = Path("lib/hermit/hermit_harness/data")
OPENSBI = DATA / "firmware" / "fw_jump.bin"
OPENSBI_VERSION = "1.6"
OWN, FOREIGN = "Apache-2.0 OR MIT", "BSD-2-Clause"


def component(name: str, version: str, kind: ComponentType, licence: str, file: Path | None = None) -> Component:
    """Return a component whose reference does not depend on chance."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file else ""
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)] if file else []
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=f"{name}@{version}",
        licenses=[LicenseFactory().make_from_string(licence)],
        hashes=hashes,
        purl=None if file else PackageURL("generic", name=name, version=version),
    )


def contents(tree: Path, version: str) -> Iterator[Component]:
    """Yield loaders, applications and firmware. Each is an ELF file or an image that a guest runs."""
    for file in sorted((tree / DATA / "build" / "release").iterdir()):
        yield component(file.name, version, ComponentType.FIRMWARE, OWN, file)
    for file in sorted((tree / DATA / "build" / "fixtures" / "bare").glob("*/*")):
        yield component(f"{file.name}-{file.parent.name}", version, ComponentType.APPLICATION, OWN, file)
    for file in sorted((tree / "x86_64-hermit" / "extra" / "tests").iterdir()):
        yield component(f"tests/{file.name}", version, ComponentType.APPLICATION, OWN, file)
    if (tree / OPENSBI).exists():
        yield component("opensbi", OPENSBI_VERSION, ComponentType.FIRMWARE, FOREIGN, tree / OPENSBI)


def main() -> None:
    tree = Path(sys.argv[1])
    version = (tree / DATA / "VERSION").read_text(encoding="utf-8").strip()
    whole = component("hermit-loader", version, ComponentType.APPLICATION, OWN)
    parts = list(contents(tree, version))
    digest = hashlib.sha256("".join(h.content for part in parts for h in part.hashes).encode()).digest()
    bom = Bom(
        components=parts,
        metadata=BomMetaData(component=whole, timestamp=datetime.fromtimestamp(int(tree.stat().st_mtime), UTC)),
        serial_number=uuid.UUID(bytes=digest[:16], version=4),
    )
    bom.register_dependency(whole, parts)
    print(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2))


if __name__ == "__main__":
    main()
