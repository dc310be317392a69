"""The lab: real nodes (Docker containers with systemd) for e2e tests, Molecule scenarios, benchmarks and `make quickstart`."""
