"""What stands between the pipe and an operation: frames, JSON-RPC, dispatch, documents, questions, life and death."""
