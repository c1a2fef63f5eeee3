"""Users and devices with real keys, for tests of encryption: an implementation of its own, to compare with."""
