"""Folders at a URL such as `s3://bucket/runs`: each has a mirror on this machine.

Everything else works on the mirror, with the same code and at the same speed as on any local
folder. This package copies whole files between the two and knows nothing of what they hold;
`circuits.runs.remote` knows in which order those of a run are sent.

1. **The bucket is the truth.** Opening a URL lists it afresh and copies what changed; a file that
   is only here and unsent is kept as long as nobody changed it in the bucket meanwhile.
2. **Objects are put whole**, so a reader gets an older or a newer one and never half of one. What
   refers to others (a manifest) is put after them.
3. **Listings are never cached**: they decide what is copied, and a stale one would hide what
   another process wrote.
4. **One writer at a time** holds a lock object, which it renews and which expires.

Why a mirror, and not files that are opened in the bucket: checkpoints are read at random, through a
header check and a hash, results grow in place, and a training must not wait for a network. Half of
the libraries below us take paths only.
"""
