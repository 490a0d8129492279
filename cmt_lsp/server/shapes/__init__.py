"""Values of the core as shapes of the wire."""
