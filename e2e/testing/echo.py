"""A gRPC server with neither health nor reflection: answers with its request and with what `ferry run` told it."""

import os
import sys
from concurrent import futures

import grpc


def echo(request, _context):
    told = [os.environ.get("FERRY_OUTBOUND", ""), os.environ.get("FERRY_UPSTREAM_QUOTE_QUERY", "")]
    return b"\n".join([request, *(text.encode() for text in told)])


server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("e2e.Echo", handlers),))
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
