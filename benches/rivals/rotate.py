#!/usr/bin/env python3
"""A benchmark's rival: what a team would write instead of the rotator, with asyncio and aiohttp.

Not for use: it has no crash safety, and a run that dies leaves keys that nobody revokes.
"""
import asyncio
import hashlib
import json
import sys
import uuid
from datetime import datetime, timedelta, timezone
from os import environ
from pathlib import Path

import aiohttp

OVERLAP = timedelta(seconds=int(environ.get("OVERLAP_SECONDS", "86400")))
URL = environ["EXCEPTIONLESS_URL"].rstrip("/")
DATA, METADATA = (f"{environ['VAULT_MOUNT']}/{kind}/{environ['VAULT_FOLDER']}" for kind in ("data", "metadata"))
MARK, PAGE, BATCH = "rotate.py", 100, 90

slots = asyncio.Semaphore(8)
keys = {}  # those that existed when the run began, by fingerprint
ripe = []  # a project, the key published for it, and the fingerprint of a key that may die


class Server:
    """A server, and the one session whose connections stay open."""

    def __init__(self, url):
        self.url, self.headers = url, {"Content-Type": "application/json"}
        self.session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=30))

    async def call(self, method, path, body=None, accept=(200,), **headers):
        data = None if body is None else json.dumps(body).encode()
        async with self.session.request(method, self.url + path, data=data, headers=self.headers | headers) as answer:
            if answer.status not in accept:
                # The path of a DELETE holds the keys.
                raise RuntimeError(f"{method} {path if method != 'DELETE' else 'keys'} answered {answer.status}")
            content = await answer.read()
        return json.loads(content) if content else {}


async def listing(exceptionless, path):
    found, page, part = [], 0, [None] * PAGE
    while len(part) == PAGE:
        page += 1
        part = await exceptionless.call("GET", f"{path}?limit={PAGE}&page={page}")
        found += part
    return found


async def read(vault, project):
    """The fields of a secret and its version; none and 0 where there is no secret."""
    answer = await vault.call("GET", f"{DATA}/{project}", accept=(200, 404))
    found = answer.get("data") or {}
    return found.get("data") or {}, found.get("metadata", {}).get("version", 0)


async def rotate(exceptionless, vault, project):
    old, version = await read(vault, project["id"])
    rotation, now = str(uuid.uuid4()), datetime.now(timezone.utc)
    mint = {"scopes": ["client"], "notes": f"{MARK} {rotation}"}
    key = (await exceptionless.call("POST", f"projects/{project['id']}/tokens", mint, (201,)))["id"]
    await exceptionless.call("GET", "projects/config", Authorization=f"Bearer {key}")

    replaced = {old_key: since for old_key, since in retiring(old).items() if old_key in keys}
    # What this run replaces is not due: even without an overlap it lives until the next.
    due = [(project["id"], key, old_key) for old_key, since in replaced.items() if since + OVERLAP <= now]
    if "api_key" in old:
        replaced[fingerprint(old["api_key"])] = now
    secret = {
        "api_key": key, "server_url": URL, "project_id": project["id"], "project_name": project["name"],
        "organization_id": project["organization_id"], "organization_name": project["organization_name"],
        "rotation_id": rotation, "rotated_at": text(now), "overlap_seconds": str(int(OVERLAP.total_seconds())),
        "retiring": ",".join(f"{old_key}@{text(since)}" for old_key, since in replaced.items()), "managed_by": MARK}
    await vault.call("POST", f"{DATA}/{project['id']}", {"options": {"cas": version}, "data": secret})
    if version == 0:
        await vault.call("PATCH", f"{METADATA}/{project['id']}", {"custom_metadata": {"managed_by": MARK}},
                         (200, 204), **{"Content-Type": "application/merge-patch+json"})
    ripe.extend(due)


async def revoke(exceptionless, vault, batch):
    """Revokes what the secrets, read anew, still call replaced."""
    secrets = await asyncio.gather(*(bounded(read(vault, project)) for project, _, _ in batch))
    doomed = [keys[old_key] for (_, key, old_key), (secret, _) in zip(batch, secrets)
              if secret.get("api_key") == key and old_key in retiring(secret)]
    if doomed:
        await exceptionless.call("DELETE", "tokens/" + ",".join(doomed), accept=(202, 404))
    return len(doomed)


async def bounded(work):
    async with slots:
        return await work


def retiring(secret):
    entries = (entry.split("@") for entry in secret.get("retiring", "").split(",") if entry)
    return {old_key: datetime.fromisoformat(since) for old_key, since in entries}


def fingerprint(key):
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


async def log_in(exceptionless, vault):
    def secret(name):
        return Path(environ[f"{name}_FILE"]).read_text(encoding="utf-8").strip()

    login = {"email": environ["EXCEPTIONLESS_EMAIL"], "password": secret("EXCEPTIONLESS_PASSWORD")}
    answer = await exceptionless.call("POST", "auth/login", login)
    exceptionless.headers["Authorization"] = f"Bearer {answer['token']}"
    login = {"role_id": environ["VAULT_ROLE_ID"], "secret_id": secret("VAULT_SECRET_ID")}
    answer = await vault.call("POST", f"auth/{environ['VAULT_AUTH_MOUNT']}/login", login)
    vault.headers["X-Vault-Token"] = answer["auth"]["client_token"]


async def run(exceptionless, vault):
    await log_in(exceptionless, vault)
    projects = []
    for organization in await exceptionless.call("GET", "organizations"):
        if not organization["is_suspended"]:
            projects += await listing(exceptionless, f"organizations/{organization['id']}/projects")
            tokens = await listing(exceptionless, f"organizations/{organization['id']}/tokens")
            keys.update((fingerprint(token["id"]), token["id"]) for token in tokens)
    projects = projects[:int(environ.get("LIMIT") or len(projects))]
    rotations = (bounded(rotate(exceptionless, vault, project)) for project in projects)
    failures = [outcome for outcome in await asyncio.gather(*rotations, return_exceptions=True) if outcome]
    for failure in failures:
        print(f"{type(failure).__name__}: {failure}", file=sys.stderr)
    retired = 0
    for first in range(0, len(ripe), BATCH):
        retired += await revoke(exceptionless, vault, ripe[first:first + BATCH])
    print(f"rotated {len(projects) - len(failures)}, retired {retired}")
    return 1 if failures else 0


async def main():
    exceptionless, vault = Server(f"{URL}/api/v2/"), Server(f"{environ['VAULT_ADDR'].rstrip('/')}/v1/")
    async with exceptionless.session, vault.session:
        return await run(exceptionless, vault)


sys.exit(asyncio.run(main()))
