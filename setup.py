"""The compiled kernels: what pyproject.toml has no words for."""

import sys
from glob import glob

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup

FOLDER = "chroma_search/kernels/cpp"
# Strict IEEE arithmetic in the order written; where sums may be fused the code says so. No -march: simd.cpp compiles
# its loops for several processors and takes the best at run time.
FLAGS = "/O2" if sys.platform == "win32" else "-O3 -ffp-contract=off -fno-math-errno -g0 -Wall -Wextra"

ParallelCompile(default=0).install()
setup(
    ext_modules=[
        Pybind11Extension(
            "chroma_search.kernels.compiled",
            sorted(glob(f"{FOLDER}/*.cpp")),
            depends=glob(f"{FOLDER}/*.h") + glob(f"{FOLDER}/*.inc"),
            cxx_std=17,
            extra_compile_args=FLAGS.split(),
        )
    ]
)
