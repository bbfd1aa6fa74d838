"""`python -m app.cli`: the `hopscope` command where the script is not on the path."""

from app.cli.main import main

main()
