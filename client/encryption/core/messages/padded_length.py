"""To which lengths plaintexts are padded, so that a ciphertext tells little about the length of a message. Pure."""

STEP_BYTES = 256
FINE_BYTES = 1024
"""Up to here the steps are `STEP_BYTES`."""


def padded_length(length: int) -> int:
    """The length to which `length` bytes are padded: steps of 256 bytes up to 1 KiB, then PADMÉ.

    PADMÉ (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019) adds at
    most 12 %, and leaves only O(log log n) bits of the length.

    >>> [padded_length(length) for length in (0, 1, 256, 257, 1024, 1025, 4000)]
    [256, 256, 256, 512, 1024, 1088, 4096]
    """
    if length <= FINE_BYTES:
        return max(-(-length // STEP_BYTES), 1) * STEP_BYTES
    exponent = length.bit_length() - 1
    zeros = exponent - exponent.bit_length()
    mask = (1 << zeros) - 1
    return (length + mask) & ~mask
