"""`kubeconfig`: kubeconfig files for further users."""
