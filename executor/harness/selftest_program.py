"""Runs /work/in/code.py as a program: what the sandbox's own tests put in a box."""

import runpy


def main() -> None:
    runpy.run_path("/work/in/code.py", run_name="__main__")
