"""Pure rules of end-to-end encryption: which uploads of keys are right, and what a new device list changes."""
