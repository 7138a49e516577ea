"""How fast passages are found: the site's own number of them, a thousand and ten thousand.

The larger sets are made of the site's own sentences, put together anew from a fixed seed. Each size runs in a
process of its own, so that memory is counted from the same start.
"""

import gc
import json
import random
import statistics
import subprocess
import sys
import time
from dataclasses import replace

import psutil

from bench.answers import cases
from bench.figures import SEED, percentile, within
from bench.report import Result, run_program
from chat.grounding import Indexes, ground
from chat.retrieval import Index, weighted_terms
from chat.sentences import sentences
from content.passages import Passage, approved_pairs, passages, synonyms
from siteproject.stack.folder import ROOT

SIZES = (0, 1_000, 10_000)  # 0: as many as the site has
SENTENCES_A_PASSAGE = 5
QUERIES = 200
QUERIES_S = 20.0
SIZE_S = 100.0
MIB = 2**20


def measure() -> list[Result]:
    """Measure each size in a new process."""
    results: list[Result] = []
    for size in SIZES:
        command = [sys.executable, "-m", "bench.retrieval", "--size", str(size)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SIZE_S, check=True)
        found = json.loads(done.stdout)
        name = f"{found['passages']:,} passages"
        results += [
            Result(f"{name}: rank, p50", found["rank_p50_ms"], "ms", note=f"{found['queries']} questions"),
            Result("  rank, p99", found["rank_p99_ms"], "ms"),
            Result("  all of grounding, p95", found["ground_p95_ms"], "ms", 50.0, note="the goal of the quote"),
            Result("  time to index", found["index_s"], "s"),
            Result("  memory after indexing", found["index_mib"], "MiB"),
            Result("  memory after all questions", found["asked_mib"], "MiB"),
        ]
    return results


def measure_size(size: int) -> dict[str, float]:
    """Return the figures of one size, in the process this runs in."""
    own = tuple(passage for passage in passages("en") if passage.kind == "knowledge")
    found = recombined(own, size) if size else list(own)
    questions = [case.question for case in cases("en")]
    gc.collect()
    before = psutil.Process().memory_info().rss
    began = time.perf_counter()
    index = Index(found, language="en", synonyms=synonyms("en"), pairs=approved_pairs("en"))
    index_s = time.perf_counter() - began
    indexes = Indexes(index, Index([], language="en"))
    gc.collect()
    indexed = psutil.Process().memory_info().rss
    for question in questions:  # a word's row is kept once somebody has used it: judge the index as it is in use
        ground(question, language="en", index=indexes)
    rank_ms: list[float] = []
    ground_ms: list[float] = []
    for number in within(range(QUERIES), QUERIES_S):
        question = questions[number % len(questions)]
        began = time.perf_counter()
        index.rank(weighted_terms(question, None, index))
        ranked = time.perf_counter()
        ground(question, language="en", index=indexes)
        rank_ms.append((ranked - began) * 1000)
        ground_ms.append((time.perf_counter() - ranked) * 1000)
    return {
        "passages": len(found),
        "queries": len(rank_ms),
        "rank_p50_ms": statistics.median(rank_ms),
        "rank_p99_ms": percentile(rank_ms, 0.99),
        "ground_p95_ms": percentile(ground_ms, 0.95),
        "index_s": index_s,
        "index_mib": (indexed - before) / MIB,
        "asked_mib": (psutil.Process().memory_info().rss - before) / MIB,
    }


def recombined(own: tuple[Passage, ...], size: int) -> list[Passage]:
    """Return ``size`` passages: the site's own, and new ones made of their sentences. The same at every run."""
    source = random.Random(SEED)
    pool = [sentence for passage in own for sentence in sentences(passage.text)]
    made = [
        replace(source.choice(own), id=f"made#{number}", text=" ".join(source.sample(pool, SENTENCES_A_PASSAGE)))
        for number in range(size - len(own))
    ]
    return [*own, *made]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--size"]:
        print(json.dumps(measure_size(int(sys.argv[2]))))
    else:
        sys.exit(run_program("retrieval", measure))
