"""Vectors of frames for compiled kernels: what a processor does to 4, 8 or 16 numbers at once, spelled out.

Numba leaves it to the compiler to find vectors in loops, and in small networks it finds few. Each instruction
here is one that compiled code may call, and becomes exactly the machine code that its name says. A vector
holds LANES float32. A tile is a tuple of rows * width vectors, row by row, that stays in registers: for 2 rows
and width 2, with L = LANES,

    frames            0 .. L-1    L .. 2L-1
    row 0             tile[0]     tile[1]
    row 1             tile[2]     tile[3]

Memory is a C-contiguous float32 array of any shape, and `at` a position in it, counted in numbers through all of
its rows: element [row, column] of a matrix stands at row * columns + column. Vectors are read and written from
there on, whether that is aligned or not, and without a check: the caller answers for the bounds. `rows` and
`width` must be constants where they are compiled (a literal, a global or a closure's number).

Where the same is done to many signals, or to many frames of one, each gets a lane of its own. A matrix
[rows, LANES] then holds a vector in every row:

    row 0       a0 b0 c0 ...      the first sample of each signal
    row 1       a1 b1 c1 ...

Nothing here may be reordered by the compiler. A frame's result is the same number in whichever lane, vector or
tile it is computed, so that neither block size nor width changes a bit. Don't use `fastmath` with them: it
relaxes the code inside as well.

    registers      what this processor has, and what instructions are built of
    memory         between memory and registers, and from lane to lane
    arithmetic     number by number
    sums           products that add up in registers, and the sum over the lanes
    winograd       filters of three taps with fewer products, and what the taps gain
    fourier        the transform of a signal in every lane

The width follows what Numba compiles for, which is part of the key of its cache. To try others, set before
the start

    NUMBA_CPU_NAME=znver3 NUMBA_CPU_FEATURES=     8 lanes: AVX2 (the empty list drops what this machine has)
    NUMBA_CPU_NAME=generic                        1 lane: no vectors
"""
