"""The jars of servers: fetched once, kept in the cache, and never run unless their sums agree."""

import fcntl
import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.embedded.home import cache as default_cache
from deploy.embedded.trouble import JarsRefused, JarsUnavailable, Trouble

HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Jars:
    """What a server needs of a Maven repository."""

    server: str
    version: str
    artifacts: tuple[tuple[str, str, str, str | None], ...]
    """Group, artifact, version and classifier of each."""
    sums: Path
    whole: bool = False
    """Whether what they depend on is inside them."""

    def folder(self, cache: Path) -> Path:
        """Where the checked jars are."""
        return cache / f"{self.server.lower()}-{self.version}"

    def verified(self, cache: Path) -> list[Path]:
        """The jars, each checked. Raises JarsRefused where one differs, is missing or too many."""
        found = self.folder(cache)
        if faults := _faults(found, _read(self.sums)):
            message = (
                f"{self.server} is not started: {'; '.join(faults)} in {found}, compared with "
                f"{self.sums}. Delete {found} to have the jars fetched afresh."
            )
            raise JarsRefused(message)
        return sorted(found.glob("*.jar"))

    def fetch(self, cache: Path) -> None:
        """Bring the jars into the cache where they are not there yet.

        Raises JarsUnavailable where they cannot be had, JarsRefused where they are not the right
        ones.
        """
        with self.locked(cache):
            if self.folder(cache).exists():
                return
            expected = _read(self.sums)
            work = self._beside(cache, "fetching")
            for last_try in (False, True):
                # A first try goes on with what an interrupted one left; a second begins afresh.
                try:
                    self._resolve(work)
                except Exception as problem:
                    if last_try:
                        message = f"{self.server} {self.version} could not be fetched: {problem}"
                        raise JarsUnavailable(message) from problem
                else:
                    faults = _faults(work / "jars", expected)
                    if not faults:
                        (work / "jars").rename(self.folder(cache))
                        shutil.rmtree(work)
                        return
                    if last_try:
                        what = f"What was fetched for {self.server} differs from {self.sums}"
                        raise JarsRefused(f"{what}: {'; '.join(faults)}")
                shutil.rmtree(work, ignore_errors=True)

    def lock(self, cache: Path) -> int:
        """Fetch all jars afresh and write their sums; returns how many there are."""
        with self.locked(cache):
            work = self._beside(cache, "locking")
            shutil.rmtree(work, ignore_errors=True)
            self._resolve(work)
            jars = sorted((work / "jars").glob("*.jar"))
            self.sums.write_text("".join(f"{_sum(jar)}  {jar.name}\n" for jar in jars))
            shutil.rmtree(work)
        return len(jars)

    def obey(self, module: str, fetch: Callable[[Path], None]) -> None:
        """The command line of a server's module: `fetch [CACHE]` or `lock`."""
        try:
            match sys.argv[1:]:
                case ["fetch", *where] if len(where) <= 1:
                    fetch(Path(where[0]) if where else default_cache())
                case ["lock"]:
                    count = self.lock(default_cache())
                    sys.stdout.write(f"{self.sums} has the sums of {count} jars.\n")
                case _:
                    sys.exit(f"usage: python -m {module} fetch [CACHE] | lock")
        except Trouble as problem:
            sys.exit(str(problem))

    @contextmanager
    def locked(self, cache: Path) -> Iterator[None]:
        """Two instances that start for the first time do not fetch into one folder."""
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f"{self.server.lower()}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _beside(self, cache: Path, doing: str) -> Path:
        return cache / f"{self.folder(cache).name}.{doing}"

    def _resolve(self, work: Path) -> None:
        """Put every jar that is needed at run time into `work/jars`.

        The resolver is pure Python, and is given its settings here: neither Maven nor Java nor any
        configuration of theirs on this machine takes part.
        """
        from jgo.maven import MavenContext, PythonResolver
        from jgo.parse import Coordinate

        context = MavenContext(PythonResolver(), repo_cache=work / "maven", timeout=60)
        needed: list[Any] = [
            context.create_dependency(
                Coordinate(
                    groupId=group,
                    artifactId=artifact,
                    version=version,
                    classifier=classifier,
                    scope="compile",
                )
            )
            for group, artifact, version, classifier in self.artifacts
        ]
        if not self.whole:
            inputs, others = context.resolver.resolve(needed)
            needed = [*inputs, *(each for each in others if each.scope in {"compile", "runtime"})]
        with ThreadPoolExecutor(8) as pool:
            jars = list(pool.map(lambda dependency: dependency.artifact.resolve(), needed))
        target = work / "jars"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for jar in jars:
            shutil.copyfile(jar, target / jar.name)


KAFKA: Final = Jars(
    "Kafka",
    "4.4.0",
    (
        ("org.apache.kafka", "kafka_2.13", "4.4.0", None),
        ("org.slf4j", "slf4j-simple", "1.7.36", None),  # of the slf4j-api that Kafka brings
    ),
    HERE / "kafka-jars.sha256",
)
ZIPKIN: Final = Jars(
    "Zipkin",
    "3.6.1",
    (("io.zipkin", "zipkin-server", "3.6.1", "slim"),),
    HERE / "zipkin-jars.sha256",
    whole=True,
)


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
