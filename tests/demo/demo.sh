#!/usr/bin/env bash
# The main job, visibly: a real OpenBao, an emulated Exceptionless, and the daemon between them.
set -euo pipefail
cd "$(dirname "$0")/../.."

bao=${BAO:-bao}
built=${CARGO_TARGET_DIR:-$PWD/target}/debug
rotator=$built/exceptionless-rotator
emulator=$built/exceptionless-emulator
home=$(mktemp -d)
pids=()

finish() {
  trap - EXIT
  trap '' HUP INT TERM
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$home"
}
trap finish EXIT
trap 'exit 130' HUP INT TERM

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Waits until a command succeeds: until SECONDS WHAT COMMAND...
until_ready() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS > deadline)); then
      echo "gave up waiting for $what" >&2
      tail -n 20 "$home"/{emulator,daemon}.log >&2
      exit 1
    fi
    sleep 0.2
  done
}

# The log is JSON, one event a line; this finds one by its event and a pattern.
seen() { grep -F "\"event\":\"$1\"" "$home/daemon.log" | grep -qE "$2"; }
current_key() { "$bao" kv get -mount=secret -field=api_key "exceptionless/$project"; }
current_version() { "$bao" kv metadata get -mount=secret -format=json "exceptionless/$project" |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["current_version"])'; }
version_is() { [[ $(current_version) -ge $1 ]]; }
fingerprint() { printf %s "$1" | sha256sum | cut -c1-12; }

# Asks Exceptionless what it thinks of a key; the key goes in by standard input, never as an argument.
status_of() {
  printf %s "$1" | python3 -c '
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1] + "/api/v2/projects/config")
request.add_header("Authorization", "Bearer " + sys.stdin.read())
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code)
' "$exceptionless"
}
is_refused() { [[ $(status_of "$1") == 401 ]]; }

say "Starting a real OpenBao and an emulated Exceptionless"
bao_port=$(free_port)
export BAO_ADDR=http://127.0.0.1:$bao_port VAULT_ADDR=http://127.0.0.1:$bao_port
BAO_DEV_ROOT_TOKEN_ID=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
export BAO_DEV_ROOT_TOKEN_ID BAO_TOKEN=$BAO_DEV_ROOT_TOKEN_ID VAULT_TOKEN=$BAO_DEV_ROOT_TOKEN_ID
export VAULT_DEV_ROOT_TOKEN_ID=$BAO_DEV_ROOT_TOKEN_ID
HOME=$home "$bao" server -dev -dev-no-store-token -dev-listen-address="127.0.0.1:$bao_port" >"$home/bao.log" 2>&1 &
pids+=($!)
"$emulator" --listen "127.0.0.1:0" --projects 7 --organizations 3 >"$home/emulator.log" 2>&1 &
pids+=($!)
until_ready 30 OpenBao "$bao" status
until_ready 10 "the emulator" grep -q 'listening on' "$home/emulator.log"
exceptionless=$(sed -n 's/.*listening on //p' "$home/emulator.log")
echo "OpenBao at $BAO_ADDR, Exceptionless at $exceptionless"

say "A least-privilege policy and an AppRole for the rotator"
"$bao" policy write exceptionless-rotator config/vault-policy.hcl
"$bao" auth enable approle
"$bao" write auth/approle/role/rotator token_policies=exceptionless-rotator token_ttl=10m
role_id=$("$bao" read -field=role_id auth/approle/role/rotator/role-id)
(umask 077; "$bao" write -f -field=secret_id auth/approle/role/rotator/secret-id >"$home/secret-id"
 echo 'correct horse' >"$home/password")

cat >"$home/config.toml" <<TOML
[exceptionless]
url = "$exceptionless"
auth = "login"
email = "rotator@example.test"
password_file = "password"

[vault]
address = "$BAO_ADDR"
timeout = "2s"

[vault.auth]
method = "approle"
role_id = "$role_id"
secret_id_file = "secret-id"

[rotation]
schedule = "*/20 * * * * *"   # every 20 seconds, to be watched
splay = "0s"
overlap = "25s"
TOML
# Nothing but the secret id opens Vault to the rotator.
unset BAO_DEV_ROOT_TOKEN_ID VAULT_DEV_ROOT_TOKEN_ID
rotator=(env -u BAO_TOKEN -u VAULT_TOKEN -u VAULT_ADDR "$rotator" --config "$home/config.toml")
as_rotator() { "${rotator[@]}" "$@"; }

say "exceptionless-rotator check"
as_rotator check 2>/dev/null

say "exceptionless-rotator plan"
as_rotator plan 2>/dev/null

say "exceptionless-rotator run (the daemon, in the background)"
exec_daemon() { exec "${rotator[@]}" run; }
exec_daemon >"$home/daemon.log" 2>&1 &
daemon=$!
pids+=("$daemon")
until_ready 30 "the first pass" seen pass.finished '"published":7'
python3 tests/demo/events.py "$home/daemon.log"

project=$(as_rotator status --output json 2>/dev/null | python3 -c 'import json, sys; print(json.load(sys.stdin)["projects"][0]["project_id"])')

say "The secret, as an application reads it"
"$bao" kv get -mount=secret "exceptionless/$project"
old=$(current_key)
version=$(current_version)
print_old() { echo "key $(fingerprint "$old"): Exceptionless answers $(status_of "$old")"; }

say "Waiting for a scheduled rotation"
until_ready 30 "a rotation" version_is $((version + 1))
echo "version $(current_version): key $(fingerprint "$(current_key)") is published"
echo "the replaced key still works, for the overlap:"
print_old

say "Waiting for a second scheduled rotation"
until_ready 30 "another rotation" version_is $((version + 2))
echo "version $(current_version): key $(fingerprint "$(current_key)") is published"

say "exceptionless-rotator status"
as_rotator status 2>/dev/null

say "Waiting for the end of the first key's overlap"
until_ready 60 "its retirement" is_refused "$old"
echo "the replaced key is refused now:"
print_old
echo "and the published one works: key $(fingerprint "$(current_key)"): $(status_of "$(current_key)")"

say "exceptionless-rotator explain $project"
as_rotator explain "$project" 2>/dev/null

say "The daemon stops when it is told to"
kill -TERM "$daemon"
wait "$daemon"
tail -n 1 "$home/daemon.log"
say "Done"
