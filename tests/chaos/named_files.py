"""Checks files: each file of a message is there, with the bytes that were uploaded; a day later, no other is. Pure.

A restored backup may lack uploads, but what its messages name is there: files are erased only with their messages.
"""

from collections.abc import Iterator

from tests.chaos.operations import FileKept, FileRead, Stored, Uploaded
from tests.chaos.record import Run
from tests.chaos.verdict import Fault, Invariant, Limits, Violation


def files_are_named(run: Run, _: Limits) -> Iterator[Violation]:
    named = {file_id: message for message in run.of(Stored) for file_id in message.files}
    digests = {uploaded.file_id: uploaded.digest for uploaded in run.of(Uploaded)}
    read = {each.file_id: each.digest for each in run.of(FileRead)}
    for file_id, message in named.items():
        where = f"file {file_id} of {message.room} {message.epoch}/{message.offset}"
        if read.get(file_id, "") == "":
            yield _violation(f"The {where} can't be read.", Fault.LOST)
        elif digests.get(file_id, read[file_id]) != read[file_id]:
            yield _violation(f"The {where} has other bytes than were uploaded.", Fault.UNEXPLAINED)
    kept = {each.file_id for each in run.of(FileKept)}
    if kept:
        for file_id in sorted(kept - named.keys()):
            yield _violation(f"The file {file_id} is still stored, but no message has it.", Fault.UNEXPLAINED)
        for file_id in sorted(named.keys() - kept):
            yield _violation(f"The file {file_id} is gone a day later, but a message has it.", Fault.LOST)


def _violation(sentence: str, fault: Fault) -> Violation:
    return Violation(Invariant.FILES_ARE_NAMED, sentence, fault)
