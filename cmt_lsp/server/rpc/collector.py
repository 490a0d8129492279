"""The garbage collector during start-up. Import nothing else here: it must run before the imports it is about.

Importing LSP's types makes 554 classes twice over. The full collections among that find nothing and cost a tenth of
the time to the first answer, but without any collection the process stays a quarter larger for good. So only the
youngest objects are looked at, and what was imported is taken out of sight when the first message is through.
"""

from __future__ import annotations

import gc

STARTUP = 5000, 1000, 1000
USUAL = 700, 10, 10


def spare_startup() -> None:
    """Collect only what is young; call before anything heavy is imported."""
    gc.set_threshold(*STARTUP)


def settle() -> None:
    """Never look again at what is there now, and collect as usual."""
    gc.freeze()
    gc.set_threshold(*USUAL)
