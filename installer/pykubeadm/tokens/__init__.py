"""Bootstrap tokens, the signed cluster-info, certificate keys and the shared certificates: texts and documents, no API calls."""
