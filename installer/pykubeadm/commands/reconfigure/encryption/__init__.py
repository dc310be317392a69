"""Encryption at rest: a new EncryptionConfiguration is only used where all that is stored stays readable for all API servers."""
