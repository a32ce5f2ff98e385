#!/usr/bin/env bash
# podman with a store of the tests' own, and with what a machine without a service manager needs.
set -euo pipefail
export CONTAINERS_CONF=$SYSTEM/containers.conf
if [ ! -e "$CONTAINERS_CONF" ]; then
    mkdir -p "$SYSTEM"
    cat >"$CONTAINERS_CONF" <<'END'
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
END
fi
# It is shown the one hierarchy of control groups that it knows, whatever this machine has.
exec unshare --mount sh -euc 'mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec podman "$@"' sh \
    --root "$SYSTEM/store" --runroot "$SYSTEM/run" --storage-driver overlay "$@"
