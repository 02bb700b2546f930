"""Attest: what was decided, in a form that stands up for itself.

statement     what is said of a run: the verification summary that others read, and our own about the decision
attestation   a run becomes these two
envelope      a statement is signed
key, signer   by a local key or by one in KMS
checking      and read again by somebody who trusts nothing but the public key
entry, log    every decision stands, signed, in a log that only grows, under signed checkpoints
entering      a run becomes an entry of it
spool         where it waits for the log, and where the last checkpoint that was seen is kept
shelf, bucket where the files of a log lie
audit         whether a log is whole, and who wrote it
receipt       the proof that a run stands in it

Imported only where something is signed, verified or logged; `cryptography` and `pymerkle` are the extra `[sign]`.
"""
