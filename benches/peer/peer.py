"""frbench against PyTorch and ONNX Runtime on this machine, one iteration of each in turn.

See README.md. Needs nothing but the standard library; contender.py needs requirements.txt.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Training steps and embedding passes, as `WORK:NAME[:key=value,...]`.
CASES = [
    "train:iresnet18",
    "train:iresnet50",
    "train:mobilefacenet",
    "train:mobilenetv2:stem_stride=1",
    "train:mobilefacenet:width=0.5,size=64",
    "embed:iresnet50:batch=16",
    "embed:iresnet50:batch=1",
    "embed:mobilefacenet:batch=16",
    "embed:mobilefacenet:batch=1",
]
DENSE = ["train:iresnet18", "train:iresnet50"]
CONTENDERS = ["frbench", "default", "tuned", "compiled", "onnx"]
# glibc keeps what is freed, instead of giving it back to the system in every step.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
# What the documentation of each asks for, apart from its number of threads. PyTorch's performance
# tuning guide pins OpenMP's threads. ONNX Runtime has threads of its own, which would all inherit
# the one core that a pinned main thread has; PyTorch as it comes has no such setting.
ENVIRONMENTS = {
    "default": {},
    "tuned": {"OMP_PROC_BIND": "true"} | KEEP_MEMORY,
    "compiled": {"OMP_PROC_BIND": "true"} | KEEP_MEMORY,
    "onnx": KEEP_MEMORY,
}
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
# Seconds between iterations: the threads of the last one stop spinning.
PAUSE = 0.02


def parse(text):
    """A case as `frbench bench --serve` takes it."""
    work, name, *rest = text.split(":")
    if work not in ("train", "embed"):
        raise SystemExit(f"{text}: want train:NAME or embed:NAME")
    case = {"work": work, "size": 112, "batch": 32, "classes": 1000}
    backbone = {"name": name, "embedding": 512, "params": {}}
    for pair in filter(None, ":".join(rest).split(",")):
        key, _, value = pair.partition("=")
        if key in ("size", "batch", "classes"):
            case[key] = int(value)
        elif key == "embedding":
            backbone[key] = int(value)
        else:
            backbone["params"][key] = json.loads(value)
    return case | {"backbone": backbone}


class Contender:
    """A process that answers one line with one line."""

    def __init__(self, name, args):
        self.name, self.times, self.peak_mib = name, [], None
        # Of all iterations: seconds, those that its threads ran together, and where they ran.
        self.seconds, self.busy, self.cpus = 0.0, 0.0, set()
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("MALLOC_", "OMP_", "GOMP_", "KMP_", "RAYON_"))}
        threads = str(args.threads)
        if name == "frbench":
            command = [args.frbench, "bench", "--serve", "--threads", threads]
            if args.isa:
                env["FRBENCH_ISA"] = args.isa
        else:
            command = [sys.executable, HERE / "contender.py", name, threads]
            env |= {"OMP_NUM_THREADS": threads} | ENVIRONMENTS[name]
            env |= AVX2 if args.isa == "avx2" else {}
        self.process = subprocess.Popen(
            command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=None if args.verbose else subprocess.DEVNULL)

    def ask(self, command):
        try:
            print(command, file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if not answer or answer.startswith("error:"):
            raise SystemExit(f"{self.name}: {answer or 'ended'} (at `{command}`; try --verbose)")
        return answer

    def step(self):
        """Milliseconds of one iteration; how many cores it had is added up beside them."""
        before, started = threads_of(self.process.pid), time.perf_counter()
        ms = float(self.ask("step"))
        self.seconds += time.perf_counter() - started
        for thread, (ran, cpu) in threads_of(self.process.pid).items():
            spent = ran - before.get(thread, (0.0, cpu))[0]
            self.busy += spent
            if spent > 0.1 * ms / 1e3:  # one that only woke up says nothing
                self.cpus.add(cpu)
        return ms

    def cores(self):
        """Cores that its threads kept busy, on average; none where that is not known."""
        return self.busy / self.seconds if self.busy else None

    def close(self):
        self.process.kill()
        self.process.wait()


def threads_of(process):
    """Of each thread: seconds on a core so far, and the core it ran on last (Linux)."""
    found = {}
    try:
        tasks = os.listdir(f"/proc/{process}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            spent = Path(f"/proc/{process}/task/{task}/schedstat").read_text().split()[0]
            # After the name, which is in brackets, the core is the 37th number.
            stat = Path(f"/proc/{process}/task/{task}/stat").read_text().rsplit(")", 1)[1].split()
            found[task] = int(spent) * 1e-9, int(stat[36])
        except (OSError, IndexError, ValueError):
            continue  # it has ended
    return found


def compare(text, args):
    """Times of every contender for one case, taken in turns."""
    case = parse(text)
    names = [n for n in args.contenders if n != "onnx" or case["work"] == "embed"]
    contenders = []
    try:
        facts = {}
        for name in names:
            contenders.append(Contender(name, args))
            facts[name] = json.loads(contenders[-1].ask(f"case {json.dumps(case)}"))
        check(facts, args)
        for turn in range(args.rounds + 1):
            for c in contenders if turn % 2 else contenders[::-1]:
                time.sleep(PAUSE)
                ms = c.step()
                if turn > 0:  # the first turn warms up
                    c.times.append(ms)
        for c in contenders:
            peak = c.ask("rss")
            c.peak_mib = None if peak == "unknown" else float(peak)
    finally:
        for c in contenders:
            c.close()
    measured = {c.name: {"median_ms": statistics.median(c.times), "min_ms": min(c.times),
                         "peak_mib": c.peak_mib, "times_ms": c.times, "cores": c.cores(),
                         "cpus": sorted(c.cpus)} for c in contenders}
    return {"case": text, "facts": facts, "measured": measured, "ratios": ratios(measured)} | case


def check(facts, args):
    """The same network everywhere, and the kernels that were asked for."""
    counts = {name: f["parameters"] for name, f in facts.items()}
    if len(set(counts.values())) > 1:
        raise SystemExit(f"the networks differ: parameters {counts}")
    kernels = facts.get("frbench", {}).get("kernels")
    if args.isa and kernels and kernels != args.isa:
        raise SystemExit(f"frbench runs its {kernels} kernels, not {args.isa}")


def ratios(measured):
    """How many times as fast as others frbench is; its memory as a share of default PyTorch's."""
    ours, out = measured.get("frbench"), {}
    if not ours:
        return out
    peers = {"pytorch": ("tuned", "compiled"), "onnx": ("onnx",), "default": ("default",)}
    for peer, names in peers.items():
        there = [measured[n] for n in names if n in measured]
        if there:
            out[peer] = {by: min(m[f"{by}_ms"] for m in there) / ours[f"{by}_ms"]
                         for by in ("median", "min")}
    default = measured.get("default")
    if default and default["peak_mib"] and ours["peak_mib"]:
        out["memory"] = ours["peak_mib"] / default["peak_mib"]
    return out


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]
    return "\n".join(lines)


def line(result, contenders):
    """One row of the table: milliseconds as median/min, then frbench's ratios."""
    cells = [result["case"]]
    for name in contenders:
        m = result["measured"].get(name)
        cells.append(f"{m['median_ms']:.1f}/{m['min_ms']:.1f}" if m else "-")
    for peer in ("pytorch", "onnx"):
        r = result["ratios"].get(peer)
        cells.append(f"{r['median']:.2f}x/{r['min']:.2f}x" if r else "-")
    memory = result["ratios"].get("memory")
    return cells + [f"{memory:.2f}x" if memory else "-"]


def cores(results, args):
    """On how many cores each ran, case by case, and who had fewer than it should."""
    rows = [["cores kept busy (different ones)", *args.contenders]]
    alone = set()
    for result in results:
        cells = [result["case"]]
        for name in args.contenders:
            m = result["measured"].get(name)
            known = m and m["cores"]
            cells.append(f"{m['cores']:.2f} ({len(m['cpus'])})" if known else "-")
            if known and len(m["cpus"]) < 2 <= min(args.threads, os.cpu_count() or 1):
                alone.add(name)
        rows.append(cells)
    text = table(rows)
    for name in sorted(alone):
        text += (f"\n{name}: in some case all of its work was on one core, with {args.threads} "
                 "threads asked for; its threads share a core, or it has work for one only")
    return text


def cpu():
    try:
        names = [l for l in open("/proc/cpuinfo") if l.startswith("model name")]
        return names[0].split(":", 1)[1].strip()
    except (OSError, IndexError):
        return platform.processor()


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--case", action="append", metavar="WORK:NAME[:key=value,...]",
                   help="what to compare; may be repeated (default: README's list)")
    p.add_argument("--contenders", default=None, help=f"default: {','.join(CONTENDERS)}")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--isa", choices=["avx2"],
                   help="limit everybody to it; compares the two dense networks with eager PyTorch")
    p.add_argument("--frbench", default=HERE.parent.parent / "target/release/frbench",
                   help="the binary (default: target/release/frbench)")
    p.add_argument("--json", metavar="FILE", help="write everything that was measured")
    p.add_argument("--verbose", action="store_true", help="show what contenders say")
    args = p.parse_args()
    if args.rounds < 1 or args.threads < 1:
        p.error("--rounds and --threads are at least 1")
    chosen = args.contenders or ("frbench,default,tuned" if args.isa else ",".join(CONTENDERS))
    args.contenders = chosen.split(",")
    unknown = sorted(set(args.contenders) - set(CONTENDERS))
    if unknown:
        p.error(f"unknown contenders {unknown}, known: {CONTENDERS}")
    return args


def main():
    args = arguments()
    results = []
    heading = ["case (ms: median/min)", *args.contenders,
               "speed over PyTorch", "over ONNX", "memory of default"]
    for text in args.case or (DENSE if args.isa else CASES):
        results.append(compare(text, args))
        print(f"{text}: done", file=sys.stderr)
        if args.json:
            # After every case: a long comparison that is cut off has not been for nothing.
            report = {"cpu": cpu(), "threads": args.threads, "rounds": args.rounds,
                      "isa": args.isa, "results": results}
            Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    print(table([heading] + [line(r, args.contenders) for r in results]))
    print("\n" + cores(results, args))
    print(f"\n{cpu()}, {args.threads} threads, {args.rounds} rounds. Speed over PyTorch: the "
          "faster of tuned and compiled.")


main()
