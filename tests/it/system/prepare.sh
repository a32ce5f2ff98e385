#!/usr/bin/env bash
# Fetches what the tests of units, package and image need, into the folder that SYSTEM names. What is there stays.
set -euo pipefail

packages=(binutils crun lintian mmdebstrap podman systemd-container)

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "these tests boot a Debian and run containers: run them as root, on Debian" >&2
    exit 1
fi

if ! dpkg-query --show "${packages[@]}" >/dev/null 2>&1; then
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${packages[@]}" >/dev/null
fi

# One Debian serves as the machine that boots, as the system that the package is installed on, and as the image in which
# the program is compiled. Its systemd is new enough for Type=notify-reload. Fetched from where this machine fetches.
tree=$SYSTEM/tree
if [ ! -e "$tree.done" ]; then
    rm -rf "$tree"
    mkdir -p "$SYSTEM"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
    for suite in bookworm bookworm-backports; do
        echo "deb ${mirror:?apt knows no mirror of Debian bookworm} $suite main"
    done >"$SYSTEM/sources"
    newer=$(printf ',%s/bookworm-backports' systemd systemd-sysv libsystemd0 libsystemd-shared libudev1)
    mmdebstrap --quiet --variant=minbase --include="dbus,man-db,ca-certificates,tzdata,gcc,libc6-dev$newer" \
        bookworm "$tree" - <"$SYSTEM/sources"
    touch "$tree.done"
fi

# Base images are made here, under the names that the Dockerfile uses: from the same packages, since no registry is asked.
image() { "$(dirname "$0")/podman.sh" "$@"; }

if ! image image exists docker.io/library/rust:1.95-bookworm; then
    tar --create --directory "$tree" . | image import --quiet \
        --change 'ENV CARGO_HOME=/usr/local/cargo' \
        --change 'ENV CARGO_PROFILE_DEV_DEBUG=0' \
        --change 'ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        - docker.io/library/rust:1.95-bookworm
fi

final=gcr.io/distroless/cc-debian12:nonroot
if ! image image exists $final; then
    base=$SYSTEM/base
    rm -rf "$base"
    mkdir -p "$base"/{etc/ssl/certs,home/nonroot,usr/bin,usr/lib64,"usr/lib/$(uname --machine)-linux-gnu"}
    chroot "$tree" dpkg --listfiles base-files libc6 libgcc-s1 libgomp1 libssl3 libstdc++6 tzdata | sort --unique |
        grep --invert-match --extended-regexp '^/usr/share/(doc|locale|man|lintian)|/gconv' |
        sed -e '/^\/\.$/d' -e 's#^/##' >"$SYSTEM/base.files"
    tar --create --directory "$tree" --no-recursion --files-from "$SYSTEM/base.files" | tar --extract --directory "$base"
    cp "$tree"/etc/ssl/certs/ca-certificates.crt "$base"/etc/ssl/certs/
    echo 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >"$base"/etc/passwd
    tar --create --directory "$base" . | image import --quiet --change 'USER 65532' \
        --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' - $final
fi
