// One HTTP/2 connection in either role: dispatches frames to streams, and is the only place that turns reasons into
// RST_STREAM and GOAWAY. server.ts and client.ts wrap it; frame-reader.ts finds the frames, stream.ts holds a stream's
// two halves, sender.ts writes.
//
// Guarantees: reading never waits for anybody (credit for the connection returns as octets arrive, credit for a stream
// when they leave again); every header block passes the HPACK decoder; every forced close has one reason.
// Hot: runs per frame. Frames are numbered in RFC 9113; sections are given where a rule is not plain.

import type { Timer } from "../../common/clock.ts";
import { type BodySource, emptyBody } from "./body.ts";
import type { ConnectionEvents, ConnectionParams } from "./connection-params.ts";
import { ConnectionError, ErrorCode, StreamError } from "./error-code.ts";
import { overflows, ReceiveWindow } from "./flow-control.ts";
import { type FrameListener, FrameReader } from "./frame-reader.ts";
import { encodeGoaway, loadGoaway, maxStreamId, settingsAckFrame } from "./frames.ts";
import type { HeaderFields } from "./header-field.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import { ForcedClose, type Limits } from "./limits.ts";
import { Link, type LinkOwner } from "./link.ts";
import { checkRequest, checkResponse, checkTrailers, facts } from "./message-rules.ts";
import { Nuisances } from "./nuisances.ts";
import { ResetMemory } from "./reset-memory.ts";
import type { Sender } from "./sender.ts";
import { applySettings, defaultPeerSettings, defaultWindowBytes, encodeSettings, entryBytes } from "./settings.ts";
import { type ReplyListener, Stream, type StreamHost } from "./stream.ts";
import { mayReceive } from "./stream-state.ts";
import { StreamTable } from "./stream-table.ts";

/** A drain's second GOAWAY comes with the answer to our PING, or after this. */
const drainPingMs = 2000;
const drainPing: Buffer = Buffer.from("ferry-dr", "latin1");

export class Connection implements FrameListener, StreamHost, LinkOwner {
  readonly isServer: boolean;
  readonly sender: Sender;
  readonly streams = new StreamTable();
  readonly peer = defaultPeerSettings();
  /** No new streams: a GOAWAY was sent or came. */
  isDraining = false;
  /** The last word was said, or the socket is gone. */
  isClosing = false;
  isReady = false;
  readonly #params: ConnectionParams;
  readonly #events: ConnectionEvents;
  readonly #limits: Limits;
  readonly #link: Link;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #nuisances: Nuisances;
  readonly #resets = new ResetMemory();
  readonly #receiveWindow = new ReceiveWindow(defaultWindowBytes);
  /** What a new stream's peer may send; never below the default before our SETTINGS are acknowledged. */
  #initialReceiveWindow: number;
  #dataStream: Stream | undefined = undefined;
  /** The highest stream the peer has opened; for a client, the next of ours. */
  #lastPeerId = 0;
  #nextId = 1;
  /** What our final GOAWAY said; streams above it are not looked at. */
  #lastAccepted = maxStreamId;
  #areSettingsAcknowledged = false;
  #encoderTableBytes = 4096;
  /** HEADERS and DATA frames received. */
  #messageFrames = 0;
  #handshakeTimer: Timer | undefined;
  #drainTimer: Timer | undefined = undefined;

  constructor(params: ConnectionParams) {
    const { limits, windows, clock } = params;
    this.isServer = params.isServer;
    this.#params = params;
    this.#events = params.events;
    this.#limits = limits;
    this.#link = new Link(params, this);
    this.sender = this.#link.sender;
    this.#reader = new FrameReader(this, limits);
    this.#decoder = new HpackDecoder(limits);
    this.#nuisances = new Nuisances(clock, limits);
    this.#initialReceiveWindow = Math.max(windows.streamBytes, defaultWindowBytes);
    this.sender.frame(
      encodeSettings({
        isServer: this.isServer,
        maxConcurrentStreams: limits.maxConcurrentStreams,
        initialWindowBytes: windows.streamBytes,
        maxHeaderListBytes: limits.maxHeaderListBytes,
      }),
    );
    if (windows.connectionBytes > defaultWindowBytes) {
      this.sender.windowUpdate(0, windows.connectionBytes - defaultWindowBytes);
      this.#receiveWindow.resize(windows.connectionBytes);
    }
    this.#handshakeTimer = clock.after(limits.handshakeMs, () => this.#handshakeTimedOut());
  }

  get isClosed(): boolean {
    return this.#link.isClosed;
  }

  // --- Requests of ours ---

  /** Streams that may be opened now. */
  get available(): number {
    if (this.isDraining || this.isClosing || this.#nextId > maxStreamId) return 0;
    return Math.max(0, this.peer.maxConcurrentStreams - this.streams.size);
  }

  open(fields: HeaderFields, body: BodySource | undefined, listener: ReplyListener): Stream {
    if (this.available === 0) {
      throw new StreamError(ErrorCode.REFUSED_STREAM, "us", "connection takes no more streams", true);
    }
    this.#checkListSize(fields);
    const endsWithHead = body === undefined || body === emptyBody;
    const stream = new Stream({
      id: this.#nextId,
      host: this,
      sendWindow: this.peer.initialWindowBytes,
      receiveWindow: this.#initialReceiveWindow,
      fields: noFields,
      endsWithHead,
      listener,
    });
    this.#nextId += 2;
    stream.isHeadRequest = fields[0]?.value === "HEAD" || fields[1]?.value === "HEAD";
    stream.headAt = this.#link.output.committedBytes;
    this.streams.add(stream);
    this.sender.headers(stream.id, fields, endsWithHead);
    if (!endsWithHead) stream.sendRequestBody(body);
    return stream;
  }

  #checkListSize(fields: HeaderFields): void {
    const limit = this.peer.maxHeaderListBytes;
    if (limit === Number.POSITIVE_INFINITY) return;
    let bytes = 0;
    for (let i = 0; i < fields.length; i++) bytes += fields[i]!.name.length + fields[i]!.value.length + 32;
    if (bytes <= limit) return;
    const detail = `request header of ${bytes} octets, the peer takes ${limit}`;
    throw new StreamError(ErrorCode.ENHANCE_YOUR_CALM, "us", detail, true);
  }

  // --- StreamHost ---

  resetStream(stream: Stream, code: ErrorCode): void {
    if (this.isClosing) {
      this.streams.delete(stream.id);
      return;
    }
    this.#rst(stream.id, code);
    this.forgetStream(stream);
  }

  forgetStream(stream: Stream): void {
    if (!this.streams.delete(stream.id)) return;
    if (this.streams.size === 0 && this.isDraining) this.#link.mark();
    if (!this.isServer) this.#events.slotFree();
  }

  #rst(id: number, code: ErrorCode): void {
    this.#resets.add(id);
    this.sender.rstStream(id, code);
    this.#link.countControl();
  }

  // --- Input ---

  received(chunk: Buffer, from: number): void {
    this.#reader.read(chunk, from);
  }

  dataBegins(id: number, flowBytes: number, paddingBytes: number): void {
    this.#messageFrames++;
    if (!this.#receiveWindow.receive(flowBytes)) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, `stream ${id}: DATA beyond the connection's window`);
    }
    // What a stream holds is bounded by its own window, so the connection's credit goes back at once.
    const increment = this.#receiveWindow.release(flowBytes);
    if (increment > 0) this.sender.windowUpdate(0, increment);
    const stream = this.streams.get(id);
    this.#dataStream = undefined;
    if (stream === undefined) {
      this.#lateFrame(id, "DATA");
    } else if (!mayReceive(stream.state)) {
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, `stream ${id}: DATA after END_STREAM`);
    } else if (!stream.hasHead) {
      this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, "DATA before the response's header");
    } else if (!stream.receiveWindow.receive(flowBytes)) {
      this.#streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, "DATA beyond the stream's window");
    } else {
      if (paddingBytes > 0) stream.grant(paddingBytes);
      this.#dataStream = stream;
    }
  }

  data(_id: number, input: Buffer, start: number, stop: number, end: boolean): void {
    const stream = this.#dataStream;
    if (start === stop && !end) this.#nuisances.glitch("empty DATA");
    if (stream === undefined || !mayReceive(stream.state)) return;
    if (stream.expectedBytes >= 0) {
      stream.expectedBytes -= stop - start;
      if (stream.expectedBytes < 0 || (end && stream.expectedBytes > 0)) {
        this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, "content-length differs from the content");
        return;
      }
    }
    stream.receiveData(input.subarray(start, stop), end);
  }

  headers(id: number, input: Buffer, start: number, stop: number, end: boolean): void {
    this.#messageFrames++;
    const fields = this.#decoder.decode(input, start, stop);
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isServer && id > this.#lastPeerId && id % 2 === 1) this.#newRequest(id, fields, end);
      else this.#lateFrame(id, "HEADERS");
    } else if (!mayReceive(stream.state)) {
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, `stream ${id}: HEADERS after END_STREAM`);
    } else if (this.#decoder.exceeded !== "") {
      this.#streamError(stream, ErrorCode.ENHANCE_YOUR_CALM, `too many ${this.#decoder.exceeded}`);
    } else if (stream.hasHead) {
      this.#trailers(stream, fields, end);
    } else {
      this.#responseHead(stream, fields, end);
    }
  }

  #newRequest(id: number, fields: HeaderFields, end: boolean): void {
    this.#lastPeerId = id;
    if (id > this.#lastAccepted || this.isClosing) return;
    if (this.streams.size >= this.#limits.maxConcurrentStreams) {
      this.#rst(id, ErrorCode.REFUSED_STREAM);
      return;
    }
    const isTooLarge = this.#decoder.exceeded !== "";
    const malformed = isTooLarge ? undefined : checkRequest(fields);
    const contentLength = isTooLarge ? -1 : facts.contentLength;
    if (malformed !== undefined || (end && contentLength > 0)) {
      this.#nuisances.ownReset(malformed ?? "content-length without content");
      this.#rst(id, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    const stream = new Stream({
      id,
      host: this,
      sendWindow: this.peer.initialWindowBytes,
      receiveWindow: this.#initialReceiveWindow,
      fields,
      endsWithHead: end,
      listener: undefined,
    });
    stream.expectedBytes = contentLength;
    this.streams.add(stream);
    if (isTooLarge) this.#events.tooLarge(stream);
    else this.#events.request(stream);
  }

  #responseHead(stream: Stream, fields: HeaderFields, end: boolean): void {
    const malformed = checkResponse(fields);
    const { status, contentLength } = facts;
    if (malformed !== undefined) {
      this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, malformed);
    } else if (status < 200) {
      if (end) this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, "informational response with END_STREAM");
    } else {
      const hasContent = !stream.isHeadRequest && status !== 204 && status !== 304;
      if (hasContent) stream.expectedBytes = contentLength;
      if (end && hasContent && contentLength > 0) {
        this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, "content-length without content");
      } else {
        stream.receiveHead(fields, end);
      }
    }
  }

  #trailers(stream: Stream, fields: HeaderFields, end: boolean): void {
    const malformed = end ? checkTrailers(fields) : "HEADERS without END_STREAM inside a message";
    if (malformed !== undefined) {
      this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, malformed);
    } else if (stream.expectedBytes > 0) {
      this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, "content-length differs from the content");
    } else {
      stream.receiveTrailers(fields);
    }
  }

  rstStream(id: number, code: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined) {
      this.#checkNotIdle(id, "RST_STREAM");
      return;
    }
    if (this.isServer) this.#nuisances.clientReset();
    this.streams.delete(id);
    const isRefused = !this.isServer && code === ErrorCode.REFUSED_STREAM && !stream.hasHead;
    stream.die(new StreamError(code, "peer", `stream ${id}: reset by the peer with code ${code}`, isRefused));
    if (this.streams.size === 0 && this.isDraining) this.#link.mark();
    if (!this.isServer) this.#events.slotFree();
  }

  settings(input: Buffer, start: number, stop: number): void {
    if ((stop - start) / entryBytes > this.#limits.maxSettingsEntries) {
      const detail = `more than ${this.#limits.maxSettingsEntries} settings in a frame`;
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, detail, ForcedClose.SETTINGS_FLOOD);
    }
    this.#nuisances.settings();
    const windowBefore = this.peer.initialWindowBytes;
    applySettings(this.peer, input, start, stop, !this.isServer);
    if (this.peer.headerTableBytes < this.#encoderTableBytes) {
      this.#encoderTableBytes = 0;
      this.sender.owesSizeUpdate = true;
    }
    const delta = this.peer.initialWindowBytes - windowBefore;
    if (delta !== 0) {
      for (const stream of this.streams.list()) {
        if (overflows(stream.sendWindow, delta)) {
          throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "settings: INITIAL_WINDOW_SIZE overflows a window");
        }
        stream.moveSendWindow(delta);
      }
    }
    this.sender.frame(settingsAckFrame);
    this.#link.countControl();
    if (!this.isReady) {
      this.isReady = true;
      this.#events.ready();
    }
    if (!this.isServer) this.#events.slotFree();
  }

  settingsAck(): void {
    if (this.#areSettingsAcknowledged) {
      this.#nuisances.glitch("SETTINGS ACK that nobody asked for");
      return;
    }
    this.#areSettingsAcknowledged = true;
    this.#handshakeTimer?.cancel();
    this.#handshakeTimer = undefined;
    const size = this.#params.windows.streamBytes;
    if (size === this.#initialReceiveWindow) return;
    this.#initialReceiveWindow = size;
    for (const stream of this.streams.list()) stream.receiveWindow.resize(size);
  }

  ping(input: Buffer, start: number, ack: boolean): void {
    if (ack) {
      if (this.#drainTimer !== undefined && input.compare(drainPing, 0, 8, start, start + 8) === 0) this.#finalGoaway();
      return;
    }
    this.#nuisances.ping(this.#messageFrames + this.sender.messageFrames);
    this.sender.ping(true, input, start);
    this.#link.countControl();
  }

  goaway(input: Buffer, start: number, stop: number): void {
    const { lastStreamId, code, debug } = loadGoaway(input, start, stop);
    if (this.isServer) return;
    const isFirst = !this.isDraining;
    this.isDraining = true;
    const detail = `above GOAWAY's last stream ${lastStreamId} (code ${code}${debug === "" ? "" : `, ${debug}`})`;
    for (const stream of this.streams.list()) {
      if (stream.id <= lastStreamId) continue;
      this.streams.delete(stream.id);
      this.#resets.add(stream.id);
      stream.die(new StreamError(ErrorCode.REFUSED_STREAM, "peer", `stream ${stream.id}: ${detail}`, true));
    }
    if (isFirst) this.#events.draining();
    this.#link.mark();
  }

  windowUpdate(id: number, increment: number): void {
    if (increment === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `stream ${id}: WINDOW_UPDATE of 0`);
    if (id === 0) {
      if (this.sender.grantConnection(increment)) return;
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "WINDOW_UPDATE overflows the connection's window");
    }
    const stream = this.streams.get(id);
    if (stream === undefined) this.#checkNotIdle(id, "WINDOW_UPDATE");
    else if (overflows(stream.sendWindow, increment)) {
      this.#streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, "WINDOW_UPDATE overflows the stream's window");
    } else stream.moveSendWindow(increment);
  }

  ignored(_id: number): void {
    this.#nuisances.glitch("PRIORITY or unknown frame");
  }

  // --- Broken rules ---

  /** A frame for a stream that is not there (RFC 9113 section 5.1): idle, reset by us, or closed. */
  #lateFrame(id: number, what: string): void {
    this.#checkNotIdle(id, what);
    if (id > this.#lastAccepted || this.#resets.has(id)) return;
    if (!this.#resets.hasForgotten)
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, `stream ${id}: ${what} on it closed`);
    this.#nuisances.glitch("frame for a closed stream");
  }

  #checkNotIdle(id: number, what: string): void {
    const isIdle = id % 2 === 0 || (this.isServer ? id > this.#lastPeerId : id >= this.#nextId);
    if (isIdle) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `stream ${id}: ${what} on an idle stream`);
  }

  #streamError(stream: Stream, code: ErrorCode, detail: string): void {
    this.#nuisances.ownReset(detail);
    this.resetStream(stream, code);
    stream.die(new StreamError(code, "us", `stream ${stream.id}: ${detail}`));
  }

  #handshakeTimedOut(): void {
    this.#handshakeTimer = undefined;
    const what = this.isReady ? "SETTINGS were not acknowledged" : "no SETTINGS came";
    const detail = `${what} in ${this.#limits.handshakeMs} ms`;
    this.failed(new ConnectionError(ErrorCode.SETTINGS_TIMEOUT, detail, ForcedClose.HANDSHAKE_TIMEOUT));
  }

  // --- Ends ---

  /** Two-step GOAWAY (RFC 9113 section 6.8); the connection closes when its last stream has ended. */
  drain(): void {
    if (this.isDraining || this.isClosing) return;
    this.isDraining = true;
    if (!this.isServer) {
      this.#link.mark();
      return;
    }
    this.sender.frame(encodeGoaway(maxStreamId, ErrorCode.NO_ERROR, "drain"));
    this.sender.ping(false, drainPing, 0);
    this.#drainTimer = this.#params.clock.after(drainPingMs, () => this.#finalGoaway());
  }

  #finalGoaway(): void {
    this.#drainTimer?.cancel();
    this.#drainTimer = undefined;
    if (this.isClosing) return;
    this.#lastAccepted = this.#lastPeerId;
    this.sender.frame(encodeGoaway(this.#lastAccepted, ErrorCode.NO_ERROR, "drain"));
  }

  /** The output was flushed: when all streams have ended after a GOAWAY, says goodbye and closes. */
  flushed(): void {
    if (!this.isDraining || this.isClosing || this.streams.size > 0 || this.#drainTimer !== undefined) return;
    this.isClosing = true;
    if (!this.isServer) this.sender.frame(encodeGoaway(0, ErrorCode.NO_ERROR, ""));
    this.#link.end();
  }

  drained(): void {
    if (this.sender.hasReady) this.#link.mark();
  }

  /** Closes by GOAWAY(code, reason); all streams die. */
  failed(error: ConnectionError): void {
    if (!this.#close(error.reason, error.message, error.code)) return;
    this.sender.frame(encodeGoaway(this.#lastPeerId, error.code, `${error.reason}: ${error.message}`));
    this.#link.end();
  }

  /** Closes at once: the peer does not read, so nothing more can be said. */
  stuck(reason: string): void {
    if (this.#close(reason, "the peer does not read", ErrorCode.INTERNAL_ERROR)) this.#link.destroy(reason);
  }

  #close(reason: string, detail: string, code: ErrorCode): boolean {
    if (this.isClosing) return false;
    this.isClosing = true;
    this.#events.forcedClose(reason, detail);
    this.#killStreams(`connection closed: ${detail}`, code);
    return true;
  }

  /** Closes the socket without a word. */
  destroy(): void {
    this.#link.destroy("closed by us");
  }

  lost(detail: string): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.#killStreams(`connection lost: ${detail}`, ErrorCode.INTERNAL_ERROR);
  }

  /** `code` is for the replies that broke off; requests that broke off are cancels, whatever the reason. */
  #killStreams(detail: string, code: ErrorCode): void {
    const writtenBytes = this.#link.writtenBytes;
    const streams = this.streams.list();
    this.streams.clear();
    for (const stream of streams) {
      const text = `stream ${stream.id}: ${detail}`;
      const neverProcessed = !this.isServer && stream.headAt >= writtenBytes;
      stream.die(new StreamError(this.isServer ? ErrorCode.CANCEL : code, "connection", text, neverProcessed));
    }
  }

  closed(): void {
    this.#handshakeTimer?.cancel();
    this.#drainTimer?.cancel();
    this.#events.closed();
  }
}

const noFields: HeaderFields = [];
