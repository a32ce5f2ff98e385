#!/usr/bin/env bash
# A benchmark's rival: what a team would write instead of the rotator, with curl, jq and the bao CLI.
# Not for use: it has no crash safety, and a run that dies leaves keys that nobody revokes.
set -euo pipefail

overlap=${OVERLAP_SECONDS:-86400}
bao=${BAO:-bao}
api=${EXCEPTIONLESS_URL%/}/api/v2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077
# The CLI would prefer the first two to what is set here, and send the last one with the login.
unset BAO_ADDR BAO_TOKEN VAULT_TOKEN

# Keys and passwords go in by standard input or by file, never as an argument that others could see.
curl=(curl --silent --show-error --fail --max-time 30)
as_user() { "${curl[@]}" --header "@$work/user" --header 'Content-Type: application/json' "$@"; }
works() {
  "${curl[@]}" --output /dev/null --config - "$api/projects/config" <<<"header = \"Authorization: Bearer $1\""
}

log_in() {
  jq -n --arg email "$EXCEPTIONLESS_EMAIL" --rawfile password "$EXCEPTIONLESS_PASSWORD_FILE" \
    '{$email, password: ($password | rtrimstr("\n"))}' |
    "${curl[@]}" --header 'Content-Type: application/json' --data-binary @- "$api/auth/login" |
    jq -r '"Authorization: Bearer " + .token' >"$work/user"
  VAULT_TOKEN=$(printf %s "$(<"$VAULT_SECRET_ID_FILE")" |
    "$bao" write -field=token "auth/$VAULT_AUTH_MOUNT/login" role_id="$VAULT_ROLE_ID" secret_id=-)
  export VAULT_ADDR VAULT_TOKEN
}

# Every project as a line: its id, and the whole of it as JSON.
list_projects() {
  local organization page count
  as_user "$api/organizations" | jq -r '.[] | select(.is_suspended | not) | .id' >"$work/organizations"
  while read -r organization; do
    page=1 count=100
    while ((count == 100)); do
      as_user "$api/organizations/$organization/projects?limit=100&page=$page" >"$work/page"
      jq -r '.[] | "\(.id) \({id, name, organization_id, organization_name} | tojson)"' "$work/page"
      count=$(jq length "$work/page")
      page=$((page + 1))
    done
  done <"$work/organizations"
}

# The current secret; an empty one where there is none yet.
read_secret() {
  "$bao" kv get -format=json -mount="$VAULT_MOUNT" "$1" 2>"$work/error" && return
  grep -q '^No value found' "$work/error" && echo '{"data": {"data": {}, "metadata": {"version": 0}}}' && return
  cat "$work/error" >&2
  return 1
}

# From the secret, the project and the answer to the mint: the version, the key, the new secret, and the
# replaced keys whose overlap is over, one a line. One jq for all, because starting processes is what is dear.
plan='
  .[0].data as $old | .[1] as $project | .[2] as $token | (now | floor) as $now
  | ($old.data.retiring // "" | split(",") | map(split("@") | {key: .[0], since: .[1]})) as $retiring
  | ($retiring | map(select((.since | fromdate) + $overlap <= $now))) as $ripe
  | (($retiring - $ripe) + [$old.data.api_key // empty | {key: ., since: ($now | todate)}]) as $kept
  | $old.metadata.version, $token.id, ({
      api_key: $token.id, server_url: $url,
      project_id: $project.id, project_name: $project.name,
      organization_id: $project.organization_id, organization_name: $project.organization_name,
      rotation_id: $rotation, rotated_at: ($now | todate), overlap_seconds: ($overlap | tostring),
      retiring: ($kept | map("\(.key)@\(.since)") | join(",")), managed_by: "rotate.sh"
    } | tojson), $ripe[].key'

rotate() {
  local id=$1 project=$2 path="$VAULT_FOLDER/$1" rotation secret token planned
  secret=$(read_secret "$path")
  read -r rotation </proc/sys/kernel/random/uuid
  token=$(as_user --data "{\"scopes\":[\"client\"],\"notes\":\"rotate.sh $rotation\"}" "$api/projects/$id/tokens")
  planned=$(printf '%s\n' "$secret" "$project" "$token" |
    jq -rs --argjson overlap "$overlap" --arg url "$EXCEPTIONLESS_URL" --arg rotation "$rotation" "$plan")
  mapfile -t planned <<<"$planned"
  works "${planned[1]}"
  "$bao" kv put -cas="${planned[0]}" -mount="$VAULT_MOUNT" "$path" - <<<"${planned[2]}" >"$work/written"
  ripe+=("${planned[@]:3}")
}

# After all projects, so that a run that fails half-way has revoked nothing.
revoke() {
  local first batch
  for ((first = 0; first < ${#ripe[@]}; first += 90)); do
    batch=$(IFS=,; echo "${ripe[*]:first:90}")
    as_user --request DELETE --output /dev/null --config - <<<"url = \"$api/tokens/$batch\""
  done
}

ripe=()
rotated=0
log_in
list_projects >"$work/projects"
limit=${LIMIT:-$(wc -l <"$work/projects")}
while ((rotated < limit)) && read -r id project <&3; do
  rotate "$id" "$project"
  rotated=$((rotated + 1))
done 3<"$work/projects"
revoke
echo "rotated $rotated, retired ${#ripe[@]}"
