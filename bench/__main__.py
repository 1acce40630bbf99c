"""`make bench`: every measurement in turn, each a process of its own, as Markdown.

`python -m bench NAME …` runs only those. Measured as ratios to a peer or a limit in the same run;
nothing here is asserted by a test.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """The measurements that are here: every module that does not begin with an underscore."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def main(arguments: list[str]) -> int:
    unknown = [name for name in arguments if name not in names()]
    if unknown:
        print(f"no measurement {', '.join(unknown)}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    failed = []
    for name in arguments or names():
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=HERE.parent, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
