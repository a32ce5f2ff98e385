"""A reader that trusts the promise of the secret: python3 reader.py SETTINGS

It reads each project's secret from Vault about once a second, posts an event with the key at once, and with the same
key again shortly before `overlap_seconds` are over. The User-Agent tells the two apart; the server counts them.
"""
import collections
import json
import pathlib
import sys
import time

import hvac
import requests

EVERY = 0.9  # Not the beat of the schedule, so that keys of every age are read, those about to be replaced too.
MARGIN = 0.4  # Before the end of the promise.
LATEST = 0.2  # If a busy machine lets a use wait longer than this, it would prove nothing.

settings = json.loads(pathlib.Path(sys.argv[1]).read_text())
vault = hvac.Client(url=settings["vault"])
vault.auth.approle.login(
    role_id=pathlib.Path(settings["role_id_file"]).read_text(),
    secret_id=pathlib.Path(settings["secret_id_file"]).read_text(),
    mount_point=settings["auth_mount"],
)
exceptionless = requests.Session()


def read(path):
    kv = vault.secrets.kv.v2
    answer = kv.read_secret_version(path=path, mount_point=settings["mount"], raise_on_deleted_version=True)
    return answer["data"]["data"]


def post(secret, use):
    exceptionless.post(
        secret["server_url"] + "/api/v2/events",
        json=[{"type": "log", "source": "soak", "message": use}],
        headers={"Authorization": "Bearer " + secret["api_key"], "User-Agent": "hvac-reader/" + use},
        timeout=10,
    )


held = collections.deque()
next_read = time.monotonic()
while True:
    now = time.monotonic()
    if held and held[0][0] <= now:
        due, secret = held.popleft()
        if now < due + LATEST:
            post(secret, "held")
    elif next_read <= now:
        next_read = max(next_read + EVERY, now)
        for path in settings["paths"]:
            began = time.monotonic()
            secret = read(path)
            post(secret, "fresh")
            held.append((began + int(secret["overlap_seconds"]) - MARGIN, secret))
    else:
        time.sleep(min([next_read] + [due for due, _ in held]) - now)
