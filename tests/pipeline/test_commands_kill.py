"""Nothing that happens to a machine costs a user work: kills, a full disk, two runs at once."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pictures import folder_set
from tests.running import checked_answer, contents, finished

BLOCK, BATCH, IMAGES = 8, 4, 60
COMMAND = ("extract", "--model", "fake", "--weights", "random", "--dataset", "scans", "--json", "--jobs", "1")
SLOWLY = {"FAKE_ENGINE_SECONDS": "0.03", "LAUNCH_BLOCK": BLOCK}


@pytest.fixture
def scans(tmp_path):
    return folder_set(tmp_path / "scans", {"a": IMAGES // 2, "b": IMAGES // 2})


@pytest.fixture
def whole(launch, scans, tmp_path):
    """Return what an uninterrupted run writes."""
    done = finished(launch(*COMMAND, "--cache", "whole", LAUNCH_BLOCK=BLOCK))
    assert done.code == 0, done.stderr
    return contents(the_file(tmp_path / "whole"))


def the_file(cache: Path) -> Path:
    (path,) = cache.rglob("*.h5")
    return path


def wait_for(condition, process=None, seconds=60.0):
    """Wait until something is true, or the process ended."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to be"
        if process is not None and process.poll() is not None:
            return
        time.sleep(0.005)


def batches(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def kill_and_resume(launch, tmp_path, whole, when):
    """Kill a run when ``when`` says so, resume it, and compare."""
    log = tmp_path / "log"
    process = launch(*COMMAND, FAKE_ENGINE_LOG=log, **SLOWLY)
    when(process, log)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = len(list((tmp_path / "cache").rglob("*.npz")))
    over = bool(list((tmp_path / "cache").rglob("*.h5")))
    embedded = batches(log)
    done = finished(launch(*COMMAND, FAKE_ENGINE_LOG=log, LAUNCH_BLOCK=BLOCK))
    assert done.code == 0, done.stderr
    (row,) = checked_answer(done)["runs"]
    assert row["computed"] == (0 if over else max(IMAGES - kept * BLOCK, 0))
    # a batch that was begun, the one ahead of it, and the unfinished block before them
    assert kept * BLOCK // BATCH >= embedded - BLOCK // BATCH - 2 or over
    assert contents(the_file(tmp_path / "cache")) == whole
    left = [path.name for path in (tmp_path / "cache").rglob("*") if path.suffix in (".npz", ".part", ".blocks")]
    assert left == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_killed_and_resumed_is_byte_equal(launch, tmp_path, whole, share):
    def when(process, log):
        wait_for(lambda: batches(log) >= share * IMAGES / BATCH, process)

    kill_and_resume(launch, tmp_path, whole, when)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_killed_at_a_random_moment_and_resumed_is_byte_equal(launch, tmp_path, whole, seed):
    draw = random.Random(seed)

    def when(process, log):
        if draw.random() < 0.2:  # while it starts
            time.sleep(draw.uniform(0, 1))
            return
        wait_for(lambda: batches(log) > 0, process)
        time.sleep(draw.uniform(0, 0.03 * IMAGES / BATCH * 1.4))

    kill_and_resume(launch, tmp_path, whole, when)


def test_killed_while_the_file_is_written_leaves_no_litter(launch, tmp_path, whole):
    folder = tmp_path / "cache" / "embeddings" / "scans"
    folder.mkdir(parents=True)
    name = the_file(tmp_path / "whole").name
    (folder / f".{name}.99999.part").write_bytes(b"half")
    assert finished(launch(*COMMAND, LAUNCH_BLOCK=BLOCK)).code == 0
    assert contents(the_file(tmp_path / "cache")) == whole
    assert list(folder.glob(".*.part")) == []


def test_interrupt_ends_with_two_lines_and_keeps_the_blocks(launch, tmp_path, scans, whole):
    log = tmp_path / "log"
    process = launch(*COMMAND, FAKE_ENGINE_LOG=log, **SLOWLY)
    wait_for(lambda: batches(log) > 5, process)
    process.send_signal(signal.SIGINT)
    done = finished(process)
    assert done.code == 130
    assert done.error == ("interrupted", "run the same command again to go on: what was finished is kept")
    assert done.stdout == ""
    assert finished(launch(*COMMAND, LAUNCH_BLOCK=BLOCK)).code == 0
    assert contents(the_file(tmp_path / "cache")) == whole


def test_two_runs_at_once_do_the_work_once(launch, tmp_path, whole):
    log = tmp_path / "log"
    first = launch(*COMMAND, FAKE_ENGINE_LOG=log, **SLOWLY)
    wait_for(lambda: batches(log) > 0, first)
    second = launch(*COMMAND, FAKE_ENGINE_LOG=log, **SLOWLY)
    rows = [checked_answer(finished(process))["runs"][0] for process in (first, second)]
    assert [row["computed"] for row in rows] == [IMAGES, 0]
    assert batches(log) <= -(-IMAGES // BLOCK) * BLOCK // BATCH
    assert contents(the_file(tmp_path / "cache")) == whole


def test_a_crash_does_not_leave_the_lock_behind(launch, tmp_path, whole):
    log = tmp_path / "log"
    process = launch(*COMMAND, FAKE_ENGINE_LOG=log, **SLOWLY)
    wait_for(lambda: batches(log) > 0, process)
    process.kill()
    process.communicate()
    done = finished(launch(*COMMAND, LAUNCH_BLOCK=BLOCK))
    assert done.code == 0
    assert "another run" not in done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 64 kB, where that is allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this machine does not let root mount a small disk")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("free", [0, 4, 12, 24, 32])
def test_full_disk_is_one_error_and_the_run_resumes_when_there_is_space(launch, tmp_path, whole, small_disk, free):
    filler = small_disk / "filler"
    filler.write_bytes(bytes((60 - free) * 1024))
    command = (*COMMAND, "--cache", small_disk / "cache")
    done = finished(launch(*command, LAUNCH_BLOCK=BLOCK))
    assert done.code == 1, "the disk was large enough"
    assert "no space left" in done.error[0]
    assert "run again" in done.error[1]
    kept = len(list(small_disk.rglob("*.npz")))
    filler.unlink()
    done = finished(launch(*command, LAUNCH_BLOCK=BLOCK))
    assert done.code == 0, done.stderr
    assert checked_answer(done)["runs"][0]["computed"] == max(IMAGES - kept * BLOCK, 0)
    assert contents(the_file(small_disk)) == whole


@pytest.mark.skipif(sys.platform != "linux", reason="needs a bind mount")
def test_folder_without_write_permission(launch, scans, tmp_path):
    place = tmp_path / "readonly"
    place.mkdir()
    if os.geteuid() == 0:
        mounts = (["mount", "--bind", place, place], ["mount", "-o", "remount,ro,bind", place])
        if any(subprocess.run(mount, capture_output=True, check=False).returncode for mount in mounts):
            subprocess.run(["umount", "-l", place], capture_output=True, check=False)
            pytest.skip("this machine does not let root mount")
    else:
        place.chmod(0o500)
    try:
        done = finished(launch(*COMMAND, "--cache", place))
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", "-l", place], check=True)
    assert done.code == 1
    assert str(place) in done.error[0]
    assert "--cache" in done.error[1]
