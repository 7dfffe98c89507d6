#!/bin/sh
# Generates the Python stubs into examples/clients/python/gen (or the folder given). Needs grpcio-tools.
set -eu
cd "$(dirname "$0")/../../.."
out=${1:-examples/clients/python/gen}
mkdir -p "$out"
"${PYTHON:-python3}" -m grpc_tools.protoc -Iproto -Ithird_party --python_out="$out" --grpc_python_out="$out" \
  proto/quoter/command/v1/quote_command_service.proto proto/quoter/query/v1/quote_query_service.proto \
  third_party/buf/validate/validate.proto
