"""The table `documents`: which versions there are, and which one is the latest. It can be rebuilt from the files."""
