# The least that exceptionless-rotator needs, for vault.mount = "secret" and secrets below exceptionless/.
# Change both to what vault.mount and vault.path say, then:
#
#   vault policy write exceptionless-rotator vault-policy.hcl
#   vault write auth/approle/role/exceptionless-rotator token_policies=exceptionless-rotator token_ttl=1h

# Read each secret, and write new versions by check-and-set. Patch is for write = "merge" alone.
path "secret/data/exceptionless/*" {
  capabilities = ["create", "patch", "read", "update"]
}

# Find the secrets of projects that no longer exist, repeat the owner's mark in custom_metadata, note there what became of
# a deleted or renamed project, and set secret.max_versions and secret.cas_required. Patch deletes no version by
# itself, and leaves what others keep in the metadata as it is.
path "secret/metadata/exceptionless/*" {
  capabilities = ["list", "patch"]
}

# Only for on_vanished = "delete": soft-delete the version that was seen, which can be undeleted.
path "secret/delete/exceptionless/*" {
  capabilities = ["update"]
}

# Only for ha.enabled, at ha.lease_path: hold the lease by check-and-set, and let Vault forget its old versions.
path "secret/data/exceptionless-rotator/leader" {
  capabilities = ["create", "read", "update"]
}
path "secret/metadata/exceptionless-rotator/leader" {
  capabilities = ["patch"]
}

# Only for [exceptionless] password = { vault = "..." }, at its path: read the password. Patch is only for password_schedule
# and rotate-credential, which change it and leave other fields as they are.
path "secret/data/exceptionless-rotator/user" {
  capabilities = ["read", "patch"]
}

# Before each pass: is the mount there, and is it KV version 2?
path "sys/internal/ui/mounts/secret" {
  capabilities = ["read"]
}

# Before a key is minted, and for `exceptionless-rotator check`: are these rights granted?
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# Keep the login alive, and tell a dead token from a missing right.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}

# End the login with the command, or the daemon, that logged in.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
