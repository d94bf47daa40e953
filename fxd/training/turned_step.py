"""One step of SOAP for a stack of small matrices, compiled: see `fxd.training.optimizer` for the formulas.

PyTorch spends its time on the calls here, not on numbers. All products are taken as `transform` takes them,

    product(A, B)[i, j]  =  sum over k of  A[k, i] B[k, j]                                 that is, A^T B

for which both operands lie row by row. With the bases Q_L and Q_R, and theirs transposed,

    Q_L^T G Q_R     =  product(product(G, Q_L), Q_R)
    Q_L D Q_R^T     =  product(product(D, Q_L^T), Q_R^T)

Every operand is copied to scratch memory, [side, side], of which whole vectors and whole tiles can be computed:
beyond the rows and columns of a matrix it holds finite numbers that nothing reads.
"""

import numpy as np

from fxd.compiler import njit
from fxd.training.kernels import transform
from fxd.vectors.arithmetic import multiply, subtract
from fxd.vectors.memory import broadcast, filled, load, store
from fxd.vectors.registers import LANES

ROWS = 8
"""Of a product that are summed up at once."""
GRAIN = 16
"""What the side of scratch memory is a multiple of: ROWS and LANES divide it."""


@njit(cache=True, nogil=True)
def take_turned_step(  # type: ignore[no-untyped-def]
    parameter,
    gradient,
    mean,
    square,
    left,
    right,
    left_basis,
    right_basis,
    beta1,
    beta2,
    eps,
    rate,
    kept,
    refresh,
):
    """Change the parameter and its state in place: all are float32 [count, rows, columns], as `Soap` has them.

    With `refresh` the bases are brought up to date for the next step.
    """
    count, rows, columns = gradient.shape
    side = (max(rows, columns) + GRAIN - 1) // GRAIN * GRAIN
    g, g_turned, q_left, q_right, half, turned = np.zeros((6, side, side), np.float32)
    for m in range(count):
        copy(q_left, left_basis[m])
        copy(q_right, right_basis[m])
        copy(g, gradient[m])
        copy(g_turned, gradient[m].T)
        product(half, g, q_left, rows, columns, rows)
        product(turned, half, q_right, columns, rows, columns)
        approach(mean[m], gradient[m], 1 - beta1)
        for i in range(rows):
            for j in range(columns):
                square[m, i, j] = beta2 * square[m, i, j] + (1 - beta2) * turned[i, j] * turned[i, j]
        follow(parameter[m], mean[m], square[m], q_left, q_right, half, turned, eps, rate, kept)
        product(half, g_turned, g_turned, columns, rows, rows)
        approach(left[m], half, 1 - beta2)
        product(half, g, g, rows, columns, columns)
        approach(right[m], half, 1 - beta2)
        if refresh:
            order = turn_further(left_basis[m], left[m], half, turned)
            square[m] = square[m][order]
            order = turn_further(right_basis[m], right[m], half, turned)
            square[m] = square[m][:, order]


@njit(cache=True, nogil=True)
def follow(  # type: ignore[no-untyped-def]
    parameter, mean, square, q_left, q_right, half, turned, eps, rate, kept
):
    """Move one matrix against its mean gradient; what is handed in as scratch is spoilt."""
    rows, columns = parameter.shape
    copy(turned, mean)
    product(half, turned, q_left, rows, columns, rows)
    product(turned, half, q_right, columns, rows, columns)
    for i in range(rows):
        for j in range(columns):
            turned[i, j] /= np.sqrt(square[i, j]) + eps
    transpose_in_place(q_left, rows)
    transpose_in_place(q_right, columns)
    product(half, turned, q_left, rows, columns, rows)
    product(turned, half, q_right, columns, rows, columns)
    for i in range(rows):
        for j in range(columns):
            parameter[i, j] = kept * parameter[i, j] - rate * turned[i, j]


@njit(cache=True, nogil=True)
def turn_further(basis, average, scratch, turned):  # type: ignore[no-untyped-def]
    """One step of orthogonal iteration for one basis; returns the new order of its vectors, the largest first."""
    size = basis.shape[0]
    side = scratch.shape[0]
    old = np.zeros((side, side), np.float32)
    copy(old, basis)
    copy(scratch, average)
    product(turned, scratch, old, size, size, size)
    order = falling_order(basis, turned)
    for i in range(size):
        for j in range(size):
            scratch[i, j] = turned[i, order[j]]
    orthogonalise(basis, scratch, old)
    return order


@njit(cache=True, nogil=True)
def falling_order(basis, images):  # type: ignore[no-untyped-def]
    """The order of the vectors of a basis by their eigenvalues; equal ones stay as they are."""
    size = basis.shape[0]
    values, order = np.zeros(size), np.arange(size)
    for i in range(size):
        for j in range(size):
            values[j] += basis[i, j] * images[i, j]
    for n in range(1, size):
        moving, at = order[n], n
        while at > 0 and values[order[at - 1]] < values[moving]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = moving
    return order


@njit(cache=True, nogil=True)
def orthogonalise(basis, matrix, q):  # type: ignore[no-untyped-def]
    """Put Q of the QR decomposition of `matrix` into `basis`; `matrix` and `q` are scratch memory.

    By Householder's reflections I - tau v v^T, as LAPACK has them: Q is orthogonal even where the matrix is
    singular, as that of a weight without gradient is.
    """
    size = basis.shape[0]
    vectors = np.zeros((size, size), np.float32)
    scales = np.zeros(size, np.float32)
    for k in range(size - 1):
        rest = 0.0
        for i in range(k + 1, size):
            rest += np.float64(matrix[i, k]) ** 2
        if rest == 0.0:
            continue
        alpha = np.float64(matrix[k, k])
        beta = -np.copysign(np.sqrt(alpha**2 + rest), alpha)
        scales[k] = (beta - alpha) / beta
        vectors[k, k] = 1
        for i in range(k + 1, size):
            vectors[k, i] = matrix[i, k] / (alpha - beta)
        reflect(matrix, vectors, scales[k], k, size)
    q[:] = 0
    for k in range(size):
        q[k, k] = 1
    for k in range(size - 2, -1, -1):
        reflect(q, vectors, scales[k], k, size)
    for i in range(size):
        for j in range(size):
            basis[i, j] = q[i, j]


@njit(cache=True, nogil=True)
def reflect(matrix, vectors, scale, k, size):  # type: ignore[no-untyped-def]
    """matrix -= scale v (v^T matrix) from row and column k on; v is row k of `vectors`."""
    side = matrix.shape[1]
    for j in range(k // LANES * LANES, size, LANES):
        line = filled(np.float32(0))
        for i in range(k, size):
            line = line + broadcast(vectors, k * size + i) * load(matrix, i * side + j)
        line = multiply(line, filled(scale))
        for i in range(k, size):
            shift = multiply(broadcast(vectors, k * size + i), line)
            store(matrix, i * side + j, subtract(load(matrix, i * side + j), shift))


@njit(cache=True, nogil=True)
def product(target, a, b, count, rows, columns):  # type: ignore[no-untyped-def]
    """target = a^T b, a [count, rows] and b [count, columns], all of them in scratch memory."""
    side = target.shape[1]
    height, end = (rows + ROWS - 1) // ROWS * ROWS, (columns + LANES - 1) // LANES * LANES
    transform(target, 0, a, 0, side, -1, b, 0, count, side, 0, end, height, ROWS, 1)


@njit(cache=True, nogil=True)
def copy(scratch, matrix):  # type: ignore[no-untyped-def]
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            scratch[i, j] = matrix[i, j]


@njit(cache=True, nogil=True)
def transpose_in_place(scratch, size):  # type: ignore[no-untyped-def]
    for i in range(size):
        for j in range(i):
            scratch[i, j], scratch[j, i] = scratch[j, i], scratch[i, j]


@njit(cache=True, nogil=True)
def approach(average, matrix, share):  # type: ignore[no-untyped-def]
    """Move an average by a share of the way towards a matrix that may lie in scratch memory."""
    for i in range(average.shape[0]):
        for j in range(average.shape[1]):
            average[i, j] += share * (matrix[i, j] - average[i, j])
