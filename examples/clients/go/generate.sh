#!/bin/sh
# Generates the Go messages and clients into examples/clients/go/gen. Needs Go; buf comes with `npm ci`.
set -eu
cd "$(dirname "$0")"
bin=$PWD/.bin
mkdir -p "$bin"
GOBIN=$bin go install google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
cd ../../..
PATH="$bin:$PWD/node_modules/.bin:$PATH" buf generate proto --template examples/clients/go/buf.gen.yaml \
  --path proto/quoter/command --path proto/quoter/query/v1
