"""A short run of the fuzzer, from the inputs that are kept. Longer ones are for by hand: test/fuzz/run 600."""
import subprocess
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz") / "run"


def test_nothing_breaks_what_reads_documents():
    ended = subprocess.run([FUZZ, "20"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ended.returncode == 77:
        pytest.skip(ended.stdout.strip())
    assert ended.returncode == 0, ended.stdout
    assert "DONE" in ended.stdout
