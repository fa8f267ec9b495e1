"""The root command: ``hallfleet VERB ...`` hands the rest of the line to the room that knows the verb.

The only module above the rooms. A room is imported when its verb is used, so ``profiles list`` loads no web server.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from device_profiles.errors import ConfigurationError, ProfileError

OK, FAILED, USAGE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Verb:
    """``module`` has ``main(argv: list[str]) -> int``."""

    module: str
    purpose: str


VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "demo": Verb("simulators.demo.command", "a whole hall on this machine; --check plays the story and checks it"),
        "cloud": Verb("cloud.__main__", "the fleet and the hall: serve, broker"),
        "user": Verb("cloud.cli.user", "people and tokens: add, list, remove, password, grant, token"),
        "edge": Verb("edge_agent.__main__", "the agent of one machine: run, check, outbox"),
        "enrol": Verb(
            "edge_agent.enrol", "give this machine its certificate: enrol --cloud URL --machine ID --code CODE"
        ),
        "simulate": Verb("simulators.__main__", "simulated peripherals, machines, halls, departments"),
        "firmware": Verb("firmware_bridge.update.__main__", "firmware images: keygen, sign, show, verify, approve"),
        "profiles": Verb("device_profiles.__main__", "profiles: list, show, check, schema"),
        "audit": Verb("cloud.cli.audit", "the record of what happened: verify, export, head"),
        "bench": Verb("tests.benchmarks.__main__", "measure: bench NAME [--json FILE]; in a checkout only"),
        "doctor": Verb("edge_agent.doctor", "whether this machine can run hallfleet"),
    }
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``argv`` (default: the process's). Returns 0 done, 1 failed, 2 wrong usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return OK if words else USAGE
    if words[0] not in VERBS:
        print(f"hallfleet: unknown verb {words[0]!r}\n\n{usage()}", file=sys.stderr)
        return USAGE
    return _run(words[0], words[1:])


def usage() -> str:
    """The verbs and what they are for."""
    lines = [f"  {name:<9} {verb.purpose}" for name, verb in VERBS.items()]
    return "\n".join(["usage: hallfleet VERB ...", "", *lines, "", "hallfleet VERB --help says more."])


def _run(name: str, argv: list[str]) -> int:
    if name == "bench":
        sys.path.insert(0, str(Path(__file__).parent))  # the benchmarks stand beside this file and are not installed
    try:
        run: Callable[[list[str]], int] = import_module(VERBS[name].module).main
        return run(argv)
    except (ConfigurationError, ProfileError) as error:
        print(f"hallfleet {name}: {error}", file=sys.stderr)
        return FAILED
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a wrong argument
        return stop.code if isinstance(stop.code, int) else OK if stop.code is None else FAILED


if __name__ == "__main__":
    sys.exit(main())
