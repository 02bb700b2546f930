"""The API: judge a package, and read what was decided and found. `routes` lists what there is.

A `Call` comes in and a `Reply` goes out, both plain values: `modelwarden api` serves them on loopback, and
`modelwarden.aws.api` behind API Gateway. A caller asks and reads; settings, roles and paths never come from a call.
"""
