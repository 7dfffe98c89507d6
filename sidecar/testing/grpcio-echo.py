"""The echo service of http2/testing/echo-service.ts on gRPC's C core, and its cases as a client of it.

`grpcio-echo.py serve` prints its port and serves until its stdin ends. `grpcio-echo.py call PORT` plays every case
against that port and prints one line of JSON for each: {"case": ..., "problem": null or a text}.
Sizes and names are those of gRPC's interoperability tests.
"""

import hashlib
import json
import os
import sys
import threading
import time
from concurrent import futures

import grpc

SERVICE = "ferry.test.Echo"
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def trailers_of(context):
    return [(k, v) for k, v in context.invocation_metadata() if k == "x-echo-bin"]


def unary(request, context):
    metadata = dict(context.invocation_metadata())
    if "x-sleep" in metadata:
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait(60)
        return b""
    if "x-fail" in metadata:
        code = next(c for c in grpc.StatusCode if c.value[0] == int(metadata["x-fail"]))
        context.abort(code, "as asked: ü")
    context.set_trailing_metadata(trailers_of(context))
    return request


def client_stream(requests, context):
    total = sum(len(request) for request in requests)
    context.set_trailing_metadata(trailers_of(context))
    return str(total).encode()


def server_stream(request, context):
    count, size = (int(part) for part in request.decode().split(","))
    for i in range(count):
        yield bytes([i & 255]) * size


def duplex(requests, _context):
    yield from requests


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64), options=UNLIMITED)
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
        "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
        "Duplex": grpc.stream_stream_rpc_method_handler(duplex),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(0)


class Cases:
    def __init__(self, port):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=UNLIMITED)
        self.unary = self.channel.unary_unary(f"/{SERVICE}/Unary")
        self.client_stream = self.channel.stream_unary(f"/{SERVICE}/ClientStream")
        self.server_stream = self.channel.unary_stream(f"/{SERVICE}/ServerStream")
        self.duplex = self.channel.stream_stream(f"/{SERVICE}/Duplex")

    def empty_unary(self):
        assert self.unary(b"", timeout=10) == b""

    def large_unary(self):
        request = os.urandom(271_828)
        assert self.unary(request, timeout=10) == request

    def unary_of_8_mb(self):
        request = os.urandom(8 << 20)
        reply = self.unary(request, timeout=20)
        assert hashlib.sha256(reply).digest() == hashlib.sha256(request).digest()

    def client_streaming(self):
        sizes = [27182, 8, 1828, 45904]
        assert self.client_stream(iter([bytes(size) for size in sizes]), timeout=10) == b"74922"

    def server_streaming(self):
        for size in [31415, 9, 2653, 58979]:
            replies = list(self.server_stream(f"7,{size}".encode(), timeout=10))
            assert replies == [bytes([i]) * size for i in range(7)]

    def ping_pong(self):
        sent = threading.Semaphore(1)
        sizes = [27182, 8, 1828, 45904]

        def requests():
            for size in sizes:
                sent.acquire()
                yield bytes(size)

        seen = []
        for reply in self.duplex(requests(), timeout=10):
            seen.append(len(reply))
            sent.release()
        assert seen == sizes, seen

    def empty_stream(self):
        assert list(self.duplex(iter([]), timeout=10)) == []

    def custom_metadata(self):
        values = [b"\xab\xab\xab", b"", bytes(range(256))]
        reply, call = self.unary.with_call(b"x", timeout=10, metadata=[("x-echo-bin", v) for v in values])
        assert reply == b"x"
        assert [v for k, v in call.trailing_metadata() if k == "x-echo-bin"] == values, call.trailing_metadata()

    def status_code_and_message(self):
        for code in [2, 5, 9, 14, 16]:
            self._expect(code, "as asked: ü", lambda: self.unary(b"x", timeout=10, metadata=[("x-fail", str(code))]))

    def unimplemented_method(self):
        self._expect(12, None, lambda: self.channel.unary_unary(f"/{SERVICE}/Nothing")(b"", timeout=10))

    def unimplemented_service(self):
        self._expect(12, None, lambda: self.channel.unary_unary("/ferry.test.Nobody/Nothing")(b"", timeout=10))

    def cancel_after_begin(self):
        call = self.unary.future(b"x", timeout=10, metadata=[("x-sleep", "1")])
        call.cancel()
        assert call.cancelled()

    def cancel_after_first_response(self):
        going = threading.Event()

        def requests():
            yield b"one"
            going.wait(10)

        call = self.duplex(requests(), timeout=10)
        assert next(call) == b"one"
        call.cancel()
        going.set()
        assert call.code() == grpc.StatusCode.CANCELLED

    def timeout_on_sleeping_server(self):
        began = time.monotonic()
        sleeping = [("x-sleep", "1")]
        self._expect(4, None, lambda: self.unary(b"x", timeout=0.1, metadata=sleeping))
        assert time.monotonic() - began < 5

    def concurrent_large_unary(self):
        request = os.urandom(271_828)
        calls = [self.unary.future(request, timeout=30) for _ in range(100)]
        assert all(call.result() == request for call in calls)

    def a_thousand_at_once(self):
        calls = [self.unary.future(str(i).encode(), timeout=30) for i in range(1000)]
        assert [call.result() for call in calls] == [str(i).encode() for i in range(1000)]

    @staticmethod
    def _expect(code, details, call):
        try:
            call()
        except grpc.RpcError as error:
            assert error.code().value[0] == code, error
            assert details is None or error.details() == details, error.details()
        else:
            raise AssertionError(f"expected status {code}, got a reply")


def call(port):
    cases = Cases(port)
    for name, case in vars(Cases).items():
        if name.startswith("_"):
            continue
        try:
            case(cases)
            problem = None
        except Exception as error:  # Whatever it is, it is this case's result.
            problem = f"{type(error).__name__}: {error}"
        print(json.dumps({"case": name, "problem": problem}), flush=True)
    cases.channel.close()


if sys.argv[1] == "serve":
    serve()
else:
    call(sys.argv[2])
