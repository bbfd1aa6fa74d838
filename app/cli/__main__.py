"""`python -m app.cli`: the `hopscope` command if the script is not on the path."""

from app.cli.main import main

main()
