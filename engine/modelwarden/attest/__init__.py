"""Attest: what was decided, in a form that stands up for itself.

attestation   a run becomes two statements: the verification summary that others read, and our own about the decision
envelope      a statement is signed
key, signer   by a local key or by one in KMS
checking      and read again by somebody who trusts nothing but the public key
entry, log    every decision stands in a log that only grows, under signed checkpoints
spool         where it waits for the log

Imported only where something is signed, verified or logged; `cryptography` and `pymerkle` are the extra `[sign]`.
"""
