"""Apache Kafka's jars: fetched once, kept in the cache, and never run unless their sums agree."""

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.embedded.trouble import JarsRefused, JarsUnavailable

KAFKA_VERSION: Final = "4.4.0"
COORDINATES: Final = (
    ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
    ("org.slf4j", "slf4j-simple", "1.7.36"),  # of the slf4j-api that Kafka brings
)
SUMS: Final = Path(__file__).with_name("kafka-jars.sha256")


def folder(cache: Path) -> Path:
    """Where the checked jars are."""
    return cache / f"kafka-{KAFKA_VERSION}"


def verified(cache: Path, sums: Path = SUMS) -> list[Path]:
    """The jars, each checked. Raises JarsRefused where one differs, is missing or is too many."""
    found = folder(cache)
    faults = _faults(found, _read(sums))
    if faults:
        message = (
            f"Kafka is not started: {'; '.join(faults)} in {found}, compared with {sums}. "
            f"Delete {found} to have the jars fetched afresh."
        )
        raise JarsRefused(message)
    return sorted(found.glob("*.jar"))


def fetch(cache: Path, sums: Path = SUMS) -> None:
    """Bring the jars into the cache where they are not there yet.

    Raises JarsUnavailable where they cannot be had, JarsRefused where they are not the right ones.
    """
    with locked(cache):
        if folder(cache).exists():
            return
        expected = _read(sums)
        work = cache / f"kafka-{KAFKA_VERSION}.fetching"
        for last_try in (False, True):
            # A first try goes on with what an interrupted one left; a second one begins afresh.
            try:
                _resolve(work)
            except Exception as problem:
                if last_try:
                    message = f"Kafka {KAFKA_VERSION} could not be fetched: {problem}"
                    raise JarsUnavailable(message) from problem
            else:
                faults = _faults(work / "jars", expected)
                if not faults:
                    (work / "jars").rename(folder(cache))
                    shutil.rmtree(work)
                    return
                if last_try:
                    message = f"What was fetched for Kafka differs from {sums}: {'; '.join(faults)}"
                    raise JarsRefused(message)
            shutil.rmtree(work, ignore_errors=True)


def lock(cache: Path, sums: Path = SUMS) -> int:
    """Fetch all jars afresh and write their sums; returns how many there are."""
    with locked(cache):
        work = cache / f"kafka-{KAFKA_VERSION}.locking"
        shutil.rmtree(work, ignore_errors=True)
        _resolve(work)
        jars = sorted((work / "jars").glob("*.jar"))
        sums.write_text("".join(f"{_sum(jar)}  {jar.name}\n" for jar in jars))
        shutil.rmtree(work)
    return len(jars)


def _resolve(work: Path) -> None:
    """Put every jar that Kafka needs at run time into `work/jars`.

    The resolver is pure Python, and is given its settings here: neither Maven nor Java nor any
    configuration of theirs on this machine takes part.
    """
    from jgo.maven import MavenContext, PythonResolver
    from jgo.parse import Coordinate

    context = MavenContext(PythonResolver(), repo_cache=work / "maven", timeout=60)
    wanted = [
        context.create_dependency(
            Coordinate(groupId=group, artifactId=artifact, version=version, scope="compile")
        )
        for group, artifact, version in COORDINATES
    ]
    inputs, transitive = context.resolver.resolve(wanted)
    needed = [*inputs, *(found for found in transitive if found.scope in {"compile", "runtime"})]
    with ThreadPoolExecutor(8) as pool:
        jars = list(pool.map(lambda dependency: dependency.artifact.resolve(), needed))
    target = work / "jars"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for jar in jars:
        shutil.copyfile(jar, target / jar.name)


def _read(sums: Path) -> dict[str, str]:
    lines = [line.split() for line in sums.read_text().splitlines() if line.strip()]
    return {name: digest for digest, name in lines}


def _faults(found: Path, expected: dict[str, str]) -> list[str]:
    names = {jar.name for jar in found.glob("*")} if found.exists() else set()
    return [
        *(f"{name} is missing" for name in sorted(expected.keys() - names)),
        *(f"{name} does not belong there" for name in sorted(names - expected.keys())),
        *(
            f"{name} has been changed"
            for name in sorted(names & expected.keys())
            if _sum(found / name) != expected[name]
        ),
    ]


def _sum(jar: Path) -> str:
    with jar.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """Two instances that start for the first time do not fetch into one folder."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "kafka.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
