"""A command that is timed, and whose memory is watched."""

import re
import subprocess
import time
from pathlib import Path


def run(command, stdout=subprocess.DEVNULL):
    """Seconds of the command, and the peak of its memory that is not of mapped files, in MiB."""
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=stdout)
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, int(re.search(r"RssAnon:\s+(\d+)", status)[1]))
        except (OSError, TypeError):
            pass
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - start, peak / 1024
