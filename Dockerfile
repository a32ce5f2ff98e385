# Built in one image and run in another, as a user that owns nothing.
#
#   docker build -t exceptionless-rotator .
#   docker run --read-only -v /etc/exceptionless-rotator:/etc/exceptionless-rotator:ro exceptionless-rotator

FROM rust:1.95-bookworm AS build
WORKDIR /src
# The dependencies change more rarely than the source, so they are a layer of their own.
COPY Cargo.toml Cargo.lock ./
COPY tests/emulator/Cargo.toml tests/emulator/
RUN mkdir -p src tests/emulator/src tests/it \
 && echo 'fn main() {}' | tee src/main.rs tests/emulator/src/main.rs tests/it/main.rs >/dev/null \
 && touch src/lib.rs tests/emulator/src/lib.rs \
 && cargo build --locked --release --package exceptionless-rotator
COPY config config
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --locked --release --package exceptionless-rotator

FROM debian:bookworm-slim
# The system's authorities are what both clients trust, unless vault.ca_file says otherwise.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/exceptionless-rotator /usr/local/bin/
USER 65532:65532
ENTRYPOINT ["exceptionless-rotator"]
CMD ["run"]
