# SPDX-License-Identifier: Apache-2.0
#
# The berth image, for those who build with a container engine. `make images` builds the same files from the same list
# (hack/images/files.txt) without one.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=""
RUN hack/images/assemble.sh /image "$VERSION"

FROM scratch
COPY --from=build /image/ /
ENV PATH=/usr/bin
USER 65532:65532
