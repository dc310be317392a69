"""`config`: the images of a control plane, the running cluster's configuration."""
