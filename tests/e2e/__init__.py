"""The real server process over a pipe, against the simulator: what the product promises, and how it breaks."""
