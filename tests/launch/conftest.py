"""The Debian that images are built on in the tests, made here: no registry is needed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import need, run

WANTED = "CODED_DGD_TEST_CONTAINERS"
CERTIFICATES = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An archive like that of `debian:bookworm-slim`, with what pip needs on this machine."""
    if not shutil.which("podman") and WANTED not in os.environ:
        pytest.skip(f"no podman; {WANTED}=1 installs it and builds images (5 minutes)")
    if os.geteuid() != 0:
        pytest.skip("only root can make a Debian to build on")
    need(["mmdebstrap"], ["mmdebstrap"])
    archive = tmp_path_factory.mktemp("debian") / "debian.tar"
    pip = archive.with_name("pip.conf")
    pip.write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\ntimeout = 180\n")
    run(
        "mmdebstrap", "-q", "--variant=minbase", "--include=ca-certificates,usr-is-merged",
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        *[f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "locale", "man")],
        f"--customize-hook=upload {CERTIFICATES} /etc/ssl/certs/ca-certificates.crt",
        f"--customize-hook=upload {pip} /etc/pip.conf",
        "bookworm", archive, timeout=480,
    )  # fmt: skip
    yield archive
    archive.unlink()
