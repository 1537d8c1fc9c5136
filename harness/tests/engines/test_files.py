# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The files for GitHub, GitLab and Kubernetes against their published schemas, offline."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from hermit_harness.paths import BUILD, ROOT

VALIDATORS = BUILD / "venv-engines" / "bin"
GITHUB, GITLAB, KUBERNETES = ".github/workflows/ci.yml", "ci/gitlab/test.yml", "ci/kubernetes"
CHECKS = {
    "github": ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", GITHUB),
    "action": ("check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"),
    "gitlab": ("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", GITLAB),
    "kubernetes": ("kubernetes-validate", "--strict", *(f"{KUBERNETES}/{name}.yaml" for name in ("tests", "verdict"))),
}


@pytest.mark.requirement("M-24")
@pytest.mark.parametrize("name", CHECKS)
def test_schema(name: str) -> None:
    """Each file is valid by the schema that its engine publishes."""
    program, *words = CHECKS[name]
    if not (VALIDATORS / program).is_file():
        pytest.skip("own-lane: `make test LANE=engines` installs the validators")
    done = subprocess.run([VALIDATORS / program, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.requirement("M-24")
@pytest.mark.parametrize("file", [GITHUB, GITLAB, f"{KUBERNETES}/tests.yaml"])
def test_all_parts_run(file: str) -> None:
    """A file starts as many parts as the part's number says."""
    text = Path(ROOT / file).read_text(encoding="utf-8")
    counts = {int(number) for number in re.findall(r"SHARD=\S*?/(\d+)", text)}
    started = re.search(r"completions: (\d+)|parallel: (\d+)|part: \[1, 2, 3, (\d+)\]", text)
    assert started and counts <= {int(next(filter(None, started.groups())))}, text
