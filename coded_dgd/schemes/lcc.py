"""Lagrange coded computation (Ozfatura et al., Section II-B)."""

from __future__ import annotations

from coded_dgd.schemes._lagrange import LagrangeScheme


class LCC(LagrangeScheme):
    """``lcc``: r polynomials of degree ceil(N/r) - 1, one message after all r tasks.

    Worker i sends H(beta_i), eq. (6). Recovery threshold K_LCC(r) = 2 ceil(N/r) - 1, eq. (7).
    """
