"""What is done in the cluster, through its API: stored configuration, marks, add-ons, waits."""
