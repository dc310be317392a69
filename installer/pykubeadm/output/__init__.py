"""How documents are printed for `-o`: JSON, YAML, KYAML, and by a user's jsonpath or Go template, as kubeadm prints them.

Pure: documents in, text out. Commands import `forms` with the option, everything else is imported where it is used.
"""
