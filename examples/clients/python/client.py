"""Calls the quoter through Ferry's gateway with generated stubs: unary, server stream, client stream.

    examples/clients/python/generate.sh
    python3 examples/clients/python/client.py [127.0.0.1:8080]

Nothing here knows of Ferry: it is an ordinary gRPC client. Prints what it does, and one JSON object at the end.
The stubs are looked for in `gen` beside this file, or in the folder that QUOTER_STUBS names.
"""

import json
import os
import sys
import uuid

import grpc

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.environ.get("QUOTER_STUBS", os.path.join(here, "gen")))

from quoter.command.v1 import quote_command_service_pb2 as command  # noqa: E402
from quoter.command.v1 import quote_command_service_pb2_grpc as command_grpc  # noqa: E402
from quoter.query.v1 import quote_query_service_pb2 as query  # noqa: E402
from quoter.query.v1 import quote_query_service_pb2_grpc as query_grpc  # noqa: E402

TIMEOUT_S = 5
TEXT = "A river cuts through rock by persistence."


def submit(commands, text):
    """Adds a quote. The command id makes it safe to send again: the same id never adds a second one."""
    request = command.SubmitQuoteRequest(command_id=str(uuid.uuid4()), text=text, author="the Python client")
    return commands.SubmitQuote(request, timeout=TIMEOUT_S)


def batches(producer_id, quote_id, sequences):
    for sequence in sequences:
        views = [command.QuoteViews(quote_id=quote_id, count=10)]
        yield command.RecordViewsRequest(producer_id=producer_id, sequence=sequence, views=views)


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8080"
    with grpc.insecure_channel(address) as channel:
        commands = command_grpc.QuoteCommandServiceStub(channel)
        queries = query_grpc.QuoteQueryServiceStub(channel)

        # Unary: write, then read what was written. `min_position` waits until the read model has seen the write.
        first = submit(commands, "Still waters run deep.")
        request = query.GetQuoteRequest(quote_id=first.quote_id, min_position=first.position)
        quote = queries.GetQuote(request, timeout=TIMEOUT_S).quote
        print(f"submitted and read back {quote.quote_id}: {quote.text}")

        # Server stream: everything behind the first quote, until the second one comes by.
        stream = queries.WatchQuotes(query.WatchQuotesRequest(after_position=first.position), timeout=TIMEOUT_S)
        second = submit(commands, TEXT)
        watched = next(seen.quote.quote_id for seen in stream if seen.quote.text == TEXT)
        stream.cancel()
        print(f"watched {watched} arrive")

        # Client stream: batches of views, numbered by their producer. One that does not know whether batch 3 got
        # through sends it again: it is counted as a duplicate.
        producer_id = f"python-{uuid.uuid4()}"
        commands.RecordViews(batches(producer_id, first.quote_id, [1, 2, 3]), timeout=TIMEOUT_S)
        again = commands.RecordViews(batches(producer_id, first.quote_id, [3, 4]), timeout=TIMEOUT_S)
        print(f"recorded {again.recorded_batches} batch more, {again.duplicate_batches} had been there before")

    result = {
        "quoteId": first.quote_id,
        "readText": quote.text,
        "watched": watched == second.quote_id,
        "recordedBatches": again.recorded_batches,
        "duplicateBatches": again.duplicate_batches,
        "lastSequence": again.last_sequence,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
