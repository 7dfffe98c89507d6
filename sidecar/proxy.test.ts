import { proxySuite } from "./proxy.suite.ts";
import { startNodeHttp2Proxy } from "./testing/node-http2-proxy.ts";
import { startFerryProxy } from "./testing/proxy-under-test.ts";

proxySuite("Ferry", {
  start: startFerryProxy,
  differs: {},
});

const joins = "fields reach JavaScript as an object: values of one name are joined by a comma";
const emptyData = "a stream's end is a frame of its own: DATA, then an empty DATA with END_STREAM";
const asked = "what the client asked goes upstream as it came; a proxy's author must know better";
const closes = "nghttp2 closes the whole connection";

proxySuite("node:http2", {
  start: startNodeHttp2Proxy,
  differs: {
    "a request whose content is too long for its content-length is refused and never looks complete upstream": closes,
    "an answer whose content is too long for its content-length does not look complete": closes,
    "fields of one name stay apart and in order, in both directions": joins,
    "grpc-message, -bin metadata and grpc-status-details-bin arrive as they were, octet for octet": joins,
    "CONNECT is refused": "it is sent on to the backend, which must refuse it",
    "CONNECT is refused where :method is not the first field": "it is sent on to the backend, which must refuse it",
    "a line break in a value is refused": "nghttp2 leaves the field out and takes the request",
    "a host that is :authority's equal is dropped: upstream sees exactly one authority": asked,
    "a host without :authority becomes it: upstream sees exactly one authority": asked,
    "a host that differs from :authority is rejected or dropped": asked,
    "te: trailers goes upstream with every gRPC call": asked,
    "a header over the backend's MAX_HEADER_LIST_SIZE is answered here, as gRPC status 8, and the connection lives":
      "the backend's limit is not looked at",
    "a message and its trailers are HEADERS, DATA, HEADERS, with no empty DATA added": emptyData,
    "an answer that is complete before its request reaches the client, and then only RST(NO_ERROR)":
      "RST_STREAM(NO_ERROR) is not sent: the client goes on sending",
    "RST_STREAM(NO_ERROR) does not stand in for missing trailers": "NO_ERROR reads as a regular end",
  },
});
