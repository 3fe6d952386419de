#!/usr/bin/env python3
"""A small application that writes to Redis through Sentinel, and keeps a journal.

    eval "$(torntail topology env)"
    python3 examples/python/app.py write app.journal 8     # writes for 8 seconds
    python3 examples/python/app.py lost app.journal        # which acknowledged writes are gone

docs/account.md describes the journal; torntail topology account --journal app.journal
accounts for the same writes.
"""
import os
import sys
import time

import redis
from redis.sentinel import Sentinel

NAME = os.environ["TORNTAIL_MASTER_NAME"]
PASSWORD = os.environ.get("TORNTAIL_PASSWORD")


def connect():
    """The master, as the Sentinels name it; a connection asks them again when it is made anew."""
    at = [address.rsplit(":", 1) for address in os.environ["TORNTAIL_SENTINELS"].split(",")]
    sentinel = Sentinel(
        at,
        socket_timeout=0.5,
        password=PASSWORD,
        sentinel_kwargs={"socket_timeout": 0.5, "password": PASSWORD},
    )
    # A write is sent once: sent again, it might take effect twice.
    return sentinel.master_for(NAME, retry_on_timeout=False)


def write(path, seconds):
    """Orders, each under a key of its own, and the number of all of them."""
    client = connect()
    end = time.monotonic() + seconds
    with open(path, "w", buffering=1) as journal:
        print("torntail journal 1", file=journal)
        number = 0
        while time.monotonic() < end:
            number += 1
            key = f"order:{number}"
            print(f"send {number} HSET {key} state paid amount {number % 100}", file=journal)
            try:
                client.hset(key, mapping={"state": "paid", "amount": number % 100})
            except redis.exceptions.ResponseError as refused:
                print(f"error {number} {refused}", file=journal)
                time.sleep(0.05)
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as lost:
                print(f"unknown {number} {type(lost).__name__}", file=journal)
                time.sleep(0.05)
            else:
                print(f"ok {number}", file=journal)
            time.sleep(0.005)


def acknowledged(path):
    """The numbers of the orders that the journal has as acknowledged."""
    with open(path) as journal:
        return [line.split()[1] for line in journal if line.startswith("ok ")]


def lost(path):
    """What this application itself finds to be gone."""
    client = connect()
    for number in acknowledged(path):
        if client.hget(f"order:{number}", "state") != b"paid":
            print(number)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2], float(sys.argv[3]))
    else:
        lost(sys.argv[2])
