#!/usr/bin/env bash
# podman with a store of the tests' own, and with what a machine without a service manager needs.
set -euo pipefail
export CONTAINERS_CONF=$SYSTEM/containers.conf
if [ ! -e "$CONTAINERS_CONF" ]; then
    mkdir -p "$SYSTEM"
    cat >"$CONTAINERS_CONF" <<'END'
[containers]
cgroups = "disabled"
log_driver = "k8s-file"
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
END
fi
exec podman --root "$SYSTEM/store" --runroot "$SYSTEM/run" --storage-driver overlay "$@"
