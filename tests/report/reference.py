"""What tests/report/golden.rs wants of a report, computed once more: NumPy and SciPy, sums over all
pairs of trials, roots by brentq. It shares nothing with frbench but the data, which follow from
`right`. `python3 tests/report/reference.py` prints the constants (SciPy 1.17.1)."""

import numpy as np
from scipy import optimize, stats

PEOPLE, SEEDS = 40, (1, 2, 3)
ROWS = {"teacher": 62, "student": 45, "fcd": 54, "coupleface": 58}
TRIALS = [(i, i) for i in range(PEOPLE)] + [(i, (7 * i + 1) % PEOPLE) for i in range(PEOPLE)]
TRIALS = [t for k, t in enumerate(TRIALS) if k < PEOPLE or t[0] != t[1]]
SAME = np.array([a == b for a, b in TRIALS])
SHARE = np.array([[bool(set(t) & set(u)) for u in TRIALS] for t in TRIALS])


def mix(*parts):
    h = 17
    for p in parts:
        h = (h * 31 + p) * 2654435761 % 2**32
        h ^= h >> 15
    return h % 100


def right(row, seed):
    """Which trials a network judges rightly: hard ones are so for all."""
    rate = ROWS[row]
    hard = [mix(1, t) for t in range(len(TRIALS))]
    own = [mix(2, len(row), seed, t) for t in range(len(TRIALS))]
    return np.array([(2 * h + o) / 3 < rate + 3 * seed for h, o in zip(hard, own)], float)


def adds(y):
    """In 32-bit floats, as the files have them."""
    mean = np.where(SAME, y[SAME].mean(), y[~SAME].mean())
    return ((y - mean) / len(y)).astype(np.float32).astype(float)


def people(e, f):
    return PEOPLE / (PEOPLE - 1) * (SHARE * np.outer(e, f)).sum()


class Mean:
    """A mean over seeds of values and what trials add to them."""

    def __init__(self, x, e):
        n, self.x, self.mean = len(x), x, np.mean(x)
        pairs = [people(e[j], e[k]) for j in range(n) for k in range(n) if j != k]
        single = np.mean([people(v, v) for v in e])
        self.seeds, self.people = np.var(x, ddof=1) / n, max(np.mean(pairs), 0)
        if single < 1 / (PEOPLE + 2) ** 2:
            self.people = max(self.people, 1 / (PEOPLE + 2) ** 2 - self.seeds)
        self.df = (n - 1, PEOPLE - 1)
        self.error = np.sqrt(self.seeds + self.people)

    def quantile(self, confidence):
        t = [stats.t.ppf(0.5 + confidence / 2, df) for df in self.df]
        return (self.seeds * t[0] + self.people * t[1]) / (self.seeds + self.people)

    def interval(self, confidence):
        half = self.quantile(confidence) * self.error
        return self.mean - half, self.mean + half

    def tail(self, distance):
        f = lambda log: self.quantile(1 - 2 * np.exp(log)) - distance / self.error
        return np.exp(optimize.brentq(f, -60, np.log(0.4999), xtol=1e-14))

    def wilson(self, confidence):
        q, n = self.quantile(confidence), self.mean * (1 - self.mean) / self.error**2
        f = lambda p: (p - self.mean) ** 2 - q * q * p * (1 - p) / n
        return optimize.brentq(f, 0, self.mean), optimize.brentq(f, self.mean, 1)


def row(name):
    seeds = (1, 1, 1) if name == "teacher" else SEEDS
    ys = [right(name, s) for s in seeds]
    return np.array([y.mean() for y in ys]), np.array([adds(y) for y in ys])


def less(a, b):
    return a[0] - b[0], a[1] - b[1]


def show(what, *numbers):
    print(f"// {what}\n" + "".join(f"{float(v)!r},\n" for v in numbers), end="")


teacher, student, fcd, coupleface = (row(r) for r in ROWS)
single = Mean(*fcd)
show("FCD: mean, interval", single.mean, *single.wilson(0.95))
# Claims: CoupleFace over FCD (question, level 0.95), FCD over student (primary).
for what, d in (("CoupleFace over FCD", less(coupleface, fcd)), ("FCD over student", less(fcd, student))):
    m = Mean(*d)
    show(f"{what}: mean, squared errors, interval, p", m.mean, m.seeds, m.people, *m.interval(0.95), 2 * m.tail(abs(m.mean)))
    show("against a margin of 0.2: p", m.tail(0.2 - abs(m.mean)) if abs(m.mean) < 0.2 else np.nan)
gap = Mean(*less(teacher, student))
show("Teacher over student: mean, interval", gap.mean, *gap.interval(0.95))
x, y = less(fcd, student), less(teacher, student)


def beyond(r):
    m = Mean(x[0] - r * y[0], x[1] - r * y[1])
    a = np.var(m.x, ddof=1) / 3
    e = x[1] - r * y[1]
    c = max(np.mean([people(e[j], e[k]) for j in range(3) for k in range(3) if j != k]), 0)
    t = [stats.t.ppf(0.975, df) for df in m.df]
    return m.mean**2 * (a + c) - (a * t[0] + c * t[1]) ** 2


share = x[0].mean() / y[0].mean()
show("Gap closed by FCD: share, interval", share, optimize.brentq(beyond, share - 3, share), optimize.brentq(beyond, share, share + 3))
