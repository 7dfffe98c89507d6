"""grpcio as a client of echo.proto: every kind of call through 127.0.0.1:<port>, one JSON object at the end.

Arguments: the port, how many calls at once, and for TLS the file of the authority that it trusts.
"""

import hashlib
import json
import os
import sys
import time

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0)]
CODEC = {"request_serializer": BytesValue.SerializeToString, "response_deserializer": BytesValue.FromString}


def message(octets):
    return BytesValue(value=octets)


def open_channel(target, authorities):
    if not authorities:
        return grpc.insecure_channel(target, options=OPTIONS)
    with open(authorities[0], "rb") as file:
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(file.read()), options=OPTIONS)


def main():
    together = int(sys.argv[2])
    channel = open_channel(f"127.0.0.1:{sys.argv[1]}", sys.argv[3:])
    unary = channel.unary_unary("/e2e.echo.Echo/Unary", **CODEC)
    sleep = channel.unary_unary("/e2e.echo.Echo/Sleep", **CODEC)
    client_stream = channel.stream_unary("/e2e.echo.Echo/ClientStream", **CODEC)
    server_stream = channel.unary_stream("/e2e.echo.Echo/ServerStream", **CODEC)
    duplex = channel.stream_stream("/e2e.echo.Echo/Duplex", **CODEC)
    result = {}

    small = os.urandom(1000)
    result["unary"] = unary(message(small)).value == small
    large = os.urandom(8 * 1024 * 1024)
    result["eightMb"] = unary(message(large)).value == large

    pieces = [os.urandom(1 + 997 * i) for i in range(40)]
    digest = hashlib.sha256(b"".join(pieces)).hexdigest()
    result["clientStream"] = client_stream(message(piece) for piece in pieces).value.decode() == digest
    seen = [reply.value for reply in server_stream(message(b"30,70000"))]
    result["serverStream"] = seen == [bytes([i]) * 70000 for i in range(30)]
    result["duplex"] = [reply.value for reply in duplex(message(piece) for piece in pieces)] == pieces

    binary = bytes(range(256))
    sent = [("x-echo", "first"), ("x-echo", "second"), ("x-echo-bin", binary), ("x-echo-bin", b"\0")]
    _, call = unary.with_call(message(b"m"), metadata=sent)
    # The server joins equal names, as HTTP allows for values that are text.
    back = [("x-echo", "first, second"), ("x-echo-bin", binary), ("x-echo-bin", b"\0")]
    seen = [call.initial_metadata(), call.trailing_metadata()]
    result["metadata"] = all(
        [(key, value) for key, value in metadata if key.startswith("x-echo")] == back for metadata in seen
    )

    payloads = [os.urandom(100 + i % 500) for i in range(together)]
    meta = [("x-together", str(together))]
    calls = [unary.future(message(payload), metadata=meta, timeout=60) for payload in payloads]
    result["together"] = sum(call.result().value == payload for call, payload in zip(calls, payloads))

    sleeping = sleep.future(message(b"z"))
    time.sleep(0.3)
    sleeping.cancel()
    result["cancel"] = sleeping.cancelled()

    begun = time.monotonic()
    try:
        sleep(message(b"z"), timeout=0.3)
        result["deadline"] = "no error"
    except grpc.RpcError as error:
        result["deadline"] = error.code().name
    result["deadlineMs"] = round((time.monotonic() - begun) * 1000)
    channel.close()
    print(json.dumps(result))


main()
