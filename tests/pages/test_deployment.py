"""What the files for running a shop elsewhere say, held against the shop itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM

import pytest

from shop.cookies import KINDS
from tests.live import PROJECT, shop_environ, wait_until

DEPLOYMENT = PROJECT / "docs" / "deployment"

OPEN = """\
from shop import create_app, settings
client = create_app(settings.read_settings()).test_client()
for path in ("/", "/products/clay-teapot", "/?language=ru", "/static/css/shop.css", "/health"):
    answer = client.get(path)
    assert answer.status_code == 200, path
print(settings.__file__)
"""


def test_the_image_has_all_that_the_shop_needs(tmp_path):
    """Without an engine to build it: a folder with what the Dockerfile copies, and nothing else."""
    image, data = tmp_path / "image", tmp_path / "data"
    _, *stages = (PROJECT / "Dockerfile").read_text().split("FROM ")
    copied = [line.split()[1:] for stage in stages for line in stage.splitlines() if line.startswith("COPY ")]
    image.mkdir()
    for *sources, target in copied:
        for source in sources if not sources[0].startswith("--from") else ():
            if (PROJECT / source).is_dir():
                shutil.copytree(PROJECT / source, image / target)
            else:
                shutil.copy(PROJECT / source, image / target)
    left_out = (PROJECT / ".dockerignore").read_text().split()
    assert not {path.name for path in image.iterdir()} & set(left_out)

    environ = shop_environ(SHOP_DATA=str(data)) | {"PYTHONPATH": str(image), "PYTHONDONTWRITEBYTECODE": "1"}
    for command in (["-m", "shop", "demo"], ["-c", OPEN]):
        done = subprocess.run(
            [sys.executable, *command], cwd=image, env=environ, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(image)


def test_the_first_process_of_a_container_stops_when_it_is_told(tmp_path):
    """Also before it serves anything: here it reads a file that somebody still has to write."""
    export = tmp_path / "goods.csv"
    os.mkfifo(export)
    apart = ["unshare", "--pid", "--fork", "--kill-child", *(["--map-root-user"] if os.geteuid() else [])]
    if not shutil.which("unshare") or subprocess.run([*apart, "true"], capture_output=True).returncode:
        pytest.skip("this system makes no namespaces of processes")
    command = [*apart, sys.executable, "-m", "shop", "import", str(export)]
    environ = shop_environ(SHOP_DATA=str(tmp_path / "data"))
    with subprocess.Popen(command, cwd=PROJECT, env=environ, stderr=subprocess.PIPE, text=True) as container:
        try:
            wait_until(lambda: _is_read(export), 30, "the import to read")
            (first,) = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
            os.kill(int(first), SIGTERM)
            _, said = container.communicate(timeout=30)
        finally:
            container.kill()

    assert (container.returncode, said) == (143, "")


def _is_read(fifo: Path) -> bool:
    with suppress(OSError):
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return True
    return False


def test_the_rule_for_a_cdn_names_every_cookie():
    (names,) = re.findall(r"\(__Host-\)\?\(([a-z|]+)\)=", (DEPLOYMENT / "README.md").read_text())

    assert sorted(names.split("|")) == sorted(kind.name for kind in KINDS)
