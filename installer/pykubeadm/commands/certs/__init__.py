"""`certs`: when certificates expire, renewing them, requests for those that an external CA signs."""
