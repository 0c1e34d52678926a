"""Many units of work, on the cores of one machine or on those of many."""
