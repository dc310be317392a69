"""`python -m pykubeadm`."""

from pykubeadm.cli.main import main

main()
