"""What tests share: nodes, APIs and servers in memory, runs, builders."""
