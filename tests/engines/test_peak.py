"""The yardstick of the kernels."""

from fxd.engines.peak import multiply_add_peak


def test_the_peak_is_one_that_a_core_can_have() -> None:
    """Its order of magnitude: between one number a cycle of a slow core and 64 of a fast one."""
    assert 1e8 < multiply_add_peak() < 64 * 6e9
