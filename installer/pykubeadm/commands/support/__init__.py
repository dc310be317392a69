"""`support`: packs what a helper needs to know of a node and its cluster, without anything secret, into an archive."""
