"""Declarations of the wire's types in the editors' own languages, made from the JSON Schema of the contract."""
