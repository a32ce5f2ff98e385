# Compiled in one image and run in another, which holds the C library, the public authorities and nothing to start but
# the rotator: no shell, no package manager.
#
#   docker build --tag exceptionless-rotator .

FROM docker.io/library/rust:1.95-bookworm AS build
# Another profile compiles faster: --build-arg PROFILE=dev
ARG PROFILE=release
WORKDIR /src
COPY . .
# What an earlier build has fetched and compiled serves again.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo install --locked --no-track --path . --profile "$PROFILE" --root /out

FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="exceptionless-rotator" \
      org.opencontainers.image.description="Keeps the API keys of Exceptionless projects fresh in HashiCorp Vault or OpenBao" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"
COPY --from=build /out/bin/exceptionless-rotator /usr/bin/
COPY LICENSE /usr/share/doc/exceptionless-rotator/copyright
# By number, so that Kubernetes sees that it is not root. It owns nothing, and writes nothing.
USER 65532:65532
# Status page and metrics; as it comes, they answer inside of the container only.
EXPOSE 9184
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/usr/bin/exceptionless-rotator", "health"]
# No shell in between: SIGTERM reaches the rotator, which runs as process 1.
ENTRYPOINT ["/usr/bin/exceptionless-rotator"]
CMD ["run"]
