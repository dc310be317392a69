"""The node port: the only place where files, commands and units of a machine are touched."""
