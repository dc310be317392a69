"""etcd: members, status and health, over its JSON gateway; and what a joining node has to do about its membership."""
