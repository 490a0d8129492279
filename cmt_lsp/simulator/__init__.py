"""An Anthropic-shaped server on loopback, for the demo, the tests and the benchmarks.

It stands for the service and shares no code with the client: nothing of cmt_lsp is imported here, and only
the command line and the tests import it.
"""

from cmt_lsp.simulator.answers import Answer
from cmt_lsp.simulator.dialects import DIALECTS, Dialect
from cmt_lsp.simulator.faults import Fault
from cmt_lsp.simulator.journal import RecordedRequest
from cmt_lsp.simulator.server import Simulator, simulator_in_thread

__all__ = [
    "DIALECTS",
    "Answer",
    "Dialect",
    "Fault",
    "RecordedRequest",
    "Simulator",
    "simulator_in_thread",
]
