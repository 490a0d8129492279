"""A question and its answer, as the screen shows them."""

from __future__ import annotations

from nvim_child import NvimChild

from cmt_lsp.simulator import Answer, Fault, Simulator


def test_a_question_is_asked_and_its_answer_shown_with_what_it_cost(nvim: NvimChild, sim: Simulator) -> None:
    """Transcript above, prompt below; usage and cost stand under the answer's head."""
    sim.reply_with("The answer is forty-two.")
    nvim.command("Cmt ask what is it?")
    nvim.screen.wait_for("## You", "what is it?", "## Claude", "The answer is forty-two.", "out 8", "$0.0")
    assert "main.py:1" in nvim.screen.text
