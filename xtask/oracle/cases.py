"""Writes cases for `cargo run -p holdall-testing --example oracle`: FOLDER/cases.json and FOLDER/arrays.npz."""

import argparse

import mlx.core as mx

import elementwise
import structured
from case_file import Cases


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    mx.set_default_device(mx.cpu)
    cases = Cases(arguments.seed)
    elementwise.add(cases)
    structured.add(cases)
    cases.write(arguments.folder)
    print(f"{len(cases.cases)} cases with seed {arguments.seed}, MLX {mx.__version__}")


if __name__ == "__main__":
    main()
