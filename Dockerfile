# syntax=docker/dockerfile:1

# docker build --build-arg VERSION=v0.1.0 --tag cloakroom .
# docker run -p 8080:8080 -v ./config.yaml:/etc/cloakroom/config.yaml:ro -v cloakroom:/var/lib/cloakroom cloakroom

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /out/cloakroom ./cmd/cloakroom
RUN mkdir -p /out/lib

FROM scratch
# Roots of trust for the provider and the upstreams.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/cloakroom /cloakroom
# Where the store file belongs: "store: bolt:/var/lib/cloakroom/cloakroom.db".
COPY --from=build --chown=65532:65532 /out/lib /var/lib/cloakroom
VOLUME /var/lib/cloakroom
WORKDIR /var/lib/cloakroom
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/cloakroom", "healthcheck", "--config", "/etc/cloakroom/config.yaml"]
ENTRYPOINT ["/cloakroom"]
CMD ["run", "--config", "/etc/cloakroom/config.yaml"]
