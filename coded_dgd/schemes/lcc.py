"""`lcc` is Lagrange coded computation (Ozfatura et al., Section II-B).

::

    held     x~_i^(g) = f_g(beta_i), g = 1..r
    sent     H(beta_i) = sum over g of f_g(beta_i) f_g(beta_i)^T theta, eq. (6)
    decoded  sum over b of H(alpha_b) = X^T X theta, eq. (7), from 2 ceil(N/r) - 1 messages
"""

from __future__ import annotations

from coded_dgd.schemes._lagrange import LagrangeScheme


class LCC(LagrangeScheme):
    """``lcc`` has r polynomials of degree ceil(N/r) - 1 and one message after all r tasks.

    Worker i sends H(beta_i), eq. (6). The recovery threshold is K_LCC(r) = 2 ceil(N/r) - 1,
    eq. (7).
    """
