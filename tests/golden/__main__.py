"""`python -m tests.golden`: writes the golden checkpoints of the running version."""

from tests.golden import main

main()
