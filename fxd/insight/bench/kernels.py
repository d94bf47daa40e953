"""What the compiled kernels of fxd run on: the one place of the benchmark that looks into `fxd.engines`."""


def kernel_path() -> str:
    """Numba's version and the vectors that the kernels are made of."""
    import numba

    from fxd.vectors.registers import LANES

    return f"Numba {numba.__version__}, {LANES} lanes" if LANES > 1 else f"Numba {numba.__version__}, scalar"
