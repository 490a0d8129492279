"""Batches: many prompts at half price through the Message Batches endpoint, from the order to the booked answers."""
