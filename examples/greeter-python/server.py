"""A plain gRPC service in Python that knows nothing of Ferry: the stranger that `ferry run` stands beside.

    pip install -r requirements.txt
    python3 server.py [port]        # default 50051, on 127.0.0.1; 0 takes a free one

Prints `listening on PORT`, serves health and reflection as the official packages do it, and stops on SIGTERM after the
calls under way.
"""

import os
import signal
import sys
import threading
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

# grpcio-tools compiles the .proto file on import, so that there is no generation step.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
messages, services = grpc.protos_and_services("greeter.proto")


class Greeter(services.GreeterServicer):
    """Greets, and says which process did."""

    def SayHello(self, request, context):
        return messages.SayHelloResponse(text=greeting(request.name, context))

    def SayHellos(self, request, context):
        if request.count > 100:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "count: at most 100")
        for _ in range(request.count):
            yield messages.SayHellosResponse(text=greeting(request.name, context))


def greeting(name, context):
    if not name:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "name: must not be empty")
    return f"Hello {name}, from Python process {os.getpid()}"


def main():
    port = sys.argv[1] if len(sys.argv) > 1 else "50051"
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    services.add_GreeterServicer_to_server(Greeter(), server)
    name = messages.DESCRIPTOR.services_by_name["Greeter"].full_name
    state = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    for service in ("", name):
        state.set(service, health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection((name, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print(f"listening on {bound}", flush=True)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    state.enter_graceful_shutdown()
    server.stop(grace=5).wait()


if __name__ == "__main__":
    main()
