#!/usr/bin/env bash
# Values appended to an array in a bucket are read as NaN, without an error, once its chunks were counted.
#
# Versions: zarr 3.1.6, xarray 2026.9.0, s3fs 2026.9.0, fsspec 2026.9.0, numpy 2.4.6; moto 5.2.5 serves the bucket.
#
# Behaviour: s3fs keeps listings, and a read asks them first. A process asks how many chunks of an array there are
# (`Array.nchunks_initialized`). Another process appends. The first opens the array again: it sees the
# new length, since metadata are read from the bucket, but chunks that are not in the old listing count
# as never written, and what was never written is the fill value. A second store made from the same address
# shares the listing, and is as blind.
#
# Why it surprises: counting chunks is how one looks how far a writer has come, and opening again is how one
# gets news. Length and values come from two moments, and a curve just ends in NaN, which looks like
# "not measured". With `use_listings_cache=False` the values are there.
#
# Seen on 2026-11-28: of 20 steps on the server the last 10 were NaN, in the old store and in a new one.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq zarr==3.1.6 xarray==2026.9.0 s3fs==2026.9.0 fsspec==2026.9.0 numpy==2.4.6 \
    pandas==3.1.1 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5
cd "$work"
"$work/venv/bin/python" - <<'PY'
import os
import socket
import subprocess
import sys
import time

import numpy as np
import s3fs
import xarray as xr
import zarr
from zarr.storage import FsspecStore

URL = "s3://bucket/run.zarr"
APPEND = f"""
import sys, numpy as np, xarray as xr
first, last = map(int, sys.argv[1:])
how = {{"append_dim": "step"}} if first else {{"encoding": {{"loss": {{"chunks": (5,)}}}}}}
steps = np.arange(first, last)
xr.Dataset({{"loss": ("step", steps / 2)}}, {{"step": steps}}).to_zarr("{URL}", consolidated=False, **how)
"""


def append(first, last):
    subprocess.run([sys.executable, "-c", APPEND, str(first), str(last)], check=True)


def unread(store):
    with xr.open_zarr(store, consolidated=False) as found:
        return found.sizes["step"], int(np.isnan(found.loss.values).sum())


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
serve = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
server = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.1)
    s3fs.S3FileSystem().mkdir("bucket")
    append(0, 10)
    store = FsspecStore.from_url(URL)
    print("chunks there:", zarr.open_group(store, mode="r")["loss"].nchunks_initialized)
    append(10, 20)
    same, new = unread(store), unread(FsspecStore.from_url(URL))
    fresh = unread(FsspecStore.from_url(URL, storage_options={"use_listings_cache": False}))
    print("(steps, NaN among them) in the same store:", same)
    print("in a new store of the same address:", new)
    print("without a cache of listings:", fresh)
finally:
    server.kill()
    server.wait()
sys.exit(0 if same == new == (20, 10) and fresh == (20, 0) else "the behaviour has changed")
PY
