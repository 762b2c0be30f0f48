"""nvrtc.py [SOURCE ARCH [FLAG...]]: compiles SOURCE with NVRTC, as frbench does when it runs.

Prints NVRTC's log and one closing line; exits 1 if SOURCE does not compile, 2 if there is no
NVRTC to load. Without arguments it tells only that.
"""

import ctypes
import glob
import os
import re
import sys

homes = [os.environ.get("CUDA_HOME", "/usr/local/cuda") + "/lib64"]
homes += [lib for folder in sys.path for lib in glob.glob(f"{folder}/nvidia/*/lib")]
found = [path for lib in homes for path in glob.glob(f"{lib}/libnvrtc.so*")]
for path in [*found, "libnvrtc.so.13", "libnvrtc.so.12"]:
    try:
        # libnvrtc looks for its builtins in LD_LIBRARY_PATH alone, not beside itself; it
        # takes those that are loaded already.
        for builtins in glob.glob(f"{os.path.dirname(path)}/libnvrtc-builtins.so*"):
            ctypes.CDLL(builtins)
        nvrtc = ctypes.CDLL(path)
        break
    except OSError:
        pass
else:
    sys.exit(2)


def text(program, what):
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    held = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{what}")(program, held)
    return held.raw


if len(sys.argv) < 3:
    sys.exit(0)
source, arch, flags = sys.argv[1], sys.argv[2], sys.argv[3:]
major, minor, program = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p()
nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
with open(source, "rb") as file:
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), file.read(), b"kernels.cu", 0, None, None)
options = [f"--gpu-architecture={arch}", *flags]
given = (ctypes.c_char_p * len(options))(*map(str.encode, options))
failed = nvrtc.nvrtcCompileProgram(program, len(options), given)
log = text(program, "ProgramLog").rstrip(b"\0\n").decode()
if log:
    print(log)
if failed:
    print(f"NVRTC {major.value}.{minor.value}, {arch}: does not compile (code {failed})")
    sys.exit(1)
kernels = len(re.findall(rb"\.entry\s", text(program, "PTX")))
size = len(text(program, "CUBIN"))
print(f"NVRTC {major.value}.{minor.value}, {arch}: {kernels} kernels, {size} bytes of cubin")
