// One HTTP/2 connection in either role: dispatches frames to streams, and is the only place that turns reasons into
// RST_STREAM and GOAWAY. server.ts and client.ts wrap it; frame-reader.ts finds the frames, stream.ts holds a stream's
// two halves, sender.ts writes.
//
// Guarantees: reading never waits for anybody (credit for the connection returns as octets arrive, credit for a stream
// when they leave again); every header block passes the HPACK decoder; every forced close has one reason.
// Hot: runs per frame. Frames are numbered in RFC 9113; sections are given where a rule is not plain.

import type { Socket } from "node:net";
import type { Clock, Timer } from "../../common/clock.ts";
import { type BodySource, emptyBody } from "./body.ts";
import { Budget } from "./budget.ts";
import { ConnectionError, ErrorCode, StreamError } from "./error-code.ts";
import { overflows, ReceiveWindow } from "./flow-control.ts";
import { type Flushable, flushThisTurn } from "./flush-turn.ts";
import { type FrameListener, FrameReader } from "./frame-reader.ts";
import {
  clientPreface,
  encodeGoaway,
  encodePing,
  encodeWindowUpdate,
  loadGoaway,
  maxStreamId,
  pingBytes,
  settingsAckFrame,
  windowUpdateBytes,
} from "./frames.ts";
import type { HeaderFields } from "./header-field.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import { ForcedClose, type Limits } from "./limits.ts";
import { checkRequest, checkResponse, checkTrailers, facts } from "./message-rules.ts";
import { Output } from "./output.ts";
import { Sender } from "./sender.ts";
import { applySettings, defaultPeerSettings, defaultWindowBytes, encodeSettings, entryBytes } from "./settings.ts";
import { type ReplyListener, Stream, type StreamHost } from "./stream.ts";
import { mayReceive } from "./stream-state.ts";
import { StreamTable } from "./stream-table.ts";

/** What we let a peer send before it must wait for credit. */
export interface Windows {
  readonly streamBytes: number;
  readonly connectionBytes: number;
}

export const defaultWindows: Windows = { streamBytes: 262_144, connectionBytes: 1_048_576 };

export interface ConnectionParams {
  readonly socket: Socket;
  readonly isServer: boolean;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly windows: Windows;
  readonly events: ConnectionEvents;
}

/** What the wrapping role is told. */
export interface ConnectionEvents {
  /** Server: a well-formed request. */
  request(stream: Stream): void;
  /** Server: a request whose header is over a limit; it is to be answered and not to be passed on. */
  tooLarge(stream: Stream): void;
  /** The peer's first SETTINGS came. */
  ready(): void;
  /** Client: a stream may have become free, by an end or by SETTINGS. */
  slotFree(): void;
  /** The peer sent GOAWAY. */
  draining(): void;
  /** We closed it, for this reason (see limits.ts). */
  forcedClose(reason: string, detail: string): void;
  /** The socket is closed. */
  closed(): void;
}

/** After GOAWAY we go on reading for so long, since closing with unread input would reset and lose the GOAWAY. */
const lingerMs = 1000;
/** A drain's second GOAWAY comes with the answer to our PING, or after this. */
const drainPingMs = 2000;
const drainPing: Buffer = Buffer.from("ferry-dr", "latin1");
/** PINGs that come free with HEADERS and DATA exchanged before. */
const maxPingsCovered = 1000;
/** Streams we reset are remembered so that what was under way is not taken for a broken rule. */
const rememberedResets = 1024;

export class Connection implements FrameListener, StreamHost, Flushable {
  readonly isServer: boolean;
  readonly sender: Sender;
  readonly streams = new StreamTable();
  readonly peer = defaultPeerSettings();
  /** No new streams: a GOAWAY was sent or came. */
  isDraining = false;
  /** GOAWAY with an error was sent, or the socket is gone. */
  isClosing = false;
  isClosed = false;
  isReady = false;
  readonly #params: ConnectionParams;
  readonly #socket: Socket;
  readonly #output: Output;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #receiveWindow: ReceiveWindow;
  readonly #events: ConnectionEvents;
  readonly #limits: Limits;
  #prefaceLeft: number;
  #isMarked = false;
  #wasConnected: boolean;
  #dataStream: Stream | undefined = undefined;
  /** The highest stream the peer has opened; for a client, the next of ours. */
  #lastPeerId = 0;
  #nextId = 1;
  /** What our final GOAWAY said; streams above it are not looked at. */
  #lastAccepted = maxStreamId;
  #unacknowledgedSettings = 1;
  #initialReceiveWindow: number;
  #encoderTableBytes = 4096;
  readonly #resetIds = new Set<number>();
  #hasForgottenResets = false;
  #queuedControlFrames = 0;
  /** HEADERS and DATA frames received, and how many of both directions a PING has been matched with. */
  #messageFrames = 0;
  #pingsCovered = 0;
  readonly #glitches: Budget;
  readonly #settingsBudget: Budget;
  readonly #pings: Budget;
  readonly #clientResets: Budget;
  readonly #ownResets: Budget;
  #handshakeTimer: Timer | undefined;
  #lingerTimer: Timer | undefined = undefined;
  #drainTimer: Timer | undefined = undefined;

  constructor(params: ConnectionParams) {
    const { socket, limits, windows } = params;
    this.isServer = params.isServer;
    this.#params = params;
    this.#socket = socket;
    this.#events = params.events;
    this.#limits = limits;
    this.#output = new Output({
      socket,
      clock: params.clock,
      writeStallMs: limits.writeStallMs,
      maxQueuedBytes: limits.maxQueuedBytes,
      onDrain: () => this.#drained(),
      onStuck: (kind) => this.#breakOff(kind),
    });
    this.sender = new Sender(this.#output, () => this.#mark());
    this.#reader = new FrameReader(this, limits);
    this.#decoder = new HpackDecoder(limits);
    this.#receiveWindow = new ReceiveWindow(defaultWindowBytes);
    this.#initialReceiveWindow = Math.max(windows.streamBytes, defaultWindowBytes);
    this.#prefaceLeft = params.isServer ? clientPreface.length : 0;
    this.#wasConnected = !socket.connecting;
    this.#glitches = new Budget(limits.glitchBurst, limits.glitchesPerSecond);
    this.#settingsBudget = new Budget(limits.settingsBurst, limits.settingsPerSecond);
    this.#pings = new Budget(limits.pingBurst, limits.pingsPerSecond);
    this.#clientResets = new Budget(limits.clientResetBurst, limits.clientResetsPerSecond);
    this.#ownResets = new Budget(limits.ownResetBurst, limits.ownResetsPerSecond);
    this.#handshakeTimer = params.clock.after(limits.handshakeMs, () => this.#handshakeTimedOut());
    this.#start(windows);
  }

  #start(windows: Windows): void {
    const socket = this.#socket;
    if (!this.isServer) this.sender.frame(clientPreface);
    this.sender.frame(
      encodeSettings({
        isServer: this.isServer,
        maxConcurrentStreams: this.#limits.maxConcurrentStreams,
        initialWindowBytes: windows.streamBytes,
        maxHeaderListBytes: this.#limits.maxHeaderListBytes,
      }),
    );
    if (windows.connectionBytes > defaultWindowBytes) {
      const update = Buffer.alloc(windowUpdateBytes);
      encodeWindowUpdate(update, 0, 0, windows.connectionBytes - defaultWindowBytes);
      this.sender.frame(update);
      this.#receiveWindow.resize(windows.connectionBytes);
    }
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("end", () => this.#lost("the peer closed the connection"));
    socket.on("error", (error) => this.#lost(error.message));
    socket.on("close", () => this.#socketClosed());
    if (socket.connecting) {
      socket.once("connect", () => {
        this.#wasConnected = true;
      });
    }
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
    stream.headAt = this.#output.committedBytes;
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
    if (this.streams.size === 0 && this.isDraining) this.#mark();
    if (!this.isServer) this.#events.slotFree();
  }

  #rst(id: number, code: ErrorCode): void {
    if (this.#resetIds.size === rememberedResets) {
      for (const oldest of this.#resetIds) {
        this.#resetIds.delete(oldest);
        break;
      }
      this.#hasForgottenResets = true;
    }
    this.#resetIds.add(id);
    this.sender.rstStream(id, code);
    this.#countControl();
  }

  // --- Input ---

  #read(chunk: Buffer): void {
    if (this.isClosing) return;
    try {
      const from = this.#prefaceLeft > 0 ? this.#readPreface(chunk) : 0;
      if (from < chunk.length) this.#reader.read(chunk, from);
    } catch (error) {
      if (error instanceof ConnectionError) {
        this.fail(error);
      } else {
        this.fail(new ConnectionError(ErrorCode.INTERNAL_ERROR, "defect while reading"));
        throw error;
      }
    }
  }

  #readPreface(chunk: Buffer): number {
    const at = clientPreface.length - this.#prefaceLeft;
    const bytes = Math.min(this.#prefaceLeft, chunk.length);
    if (chunk.compare(clientPreface, at, at + bytes, 0, bytes) !== 0) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "no HTTP/2 preface");
    }
    this.#prefaceLeft -= bytes;
    return bytes;
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
    if (start === stop && !end) this.#glitch("empty DATA");
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
      this.#countOwnReset(malformed ?? "content-length without content");
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
    if (this.isServer && !this.#clientResets.take(this.#params.clock.nowMs())) {
      throw tooMuch(ForcedClose.CLIENT_RESETS, "requests reset before their responses were complete");
    }
    this.streams.delete(id);
    const isRefused = !this.isServer && code === ErrorCode.REFUSED_STREAM && !stream.hasHead;
    stream.die(new StreamError(code, "peer", `stream ${id}: reset by the peer with code ${code}`, isRefused));
    if (this.streams.size === 0 && this.isDraining) this.#mark();
    if (!this.isServer) this.#events.slotFree();
  }

  settings(input: Buffer, start: number, stop: number): void {
    if ((stop - start) / entryBytes > this.#limits.maxSettingsEntries) {
      throw tooMuch(ForcedClose.SETTINGS_FLOOD, `more than ${this.#limits.maxSettingsEntries} settings in a frame`);
    }
    if (!this.#settingsBudget.take(this.#params.clock.nowMs())) throw tooMuch(ForcedClose.SETTINGS_FLOOD, "SETTINGS");
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
    this.#countControl();
    if (!this.isReady) {
      this.isReady = true;
      this.#events.ready();
    }
    if (!this.isServer) this.#events.slotFree();
  }

  settingsAck(): void {
    if (this.#unacknowledgedSettings === 0) {
      this.#glitch("SETTINGS ACK that nobody asked for");
      return;
    }
    this.#unacknowledgedSettings--;
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
    // Bandwidth estimators ping with every burst of DATA, whoever sent it; what costs us is the PING that stands alone.
    const messageFrames = this.#messageFrames + this.sender.messageFrames;
    this.#pingsCovered = Math.max(this.#pingsCovered, messageFrames - maxPingsCovered);
    if (this.#pingsCovered < messageFrames) this.#pingsCovered++;
    else if (!this.#pings.take(this.#params.clock.nowMs()))
      throw tooMuch(ForcedClose.PING_FLOOD, "PING without traffic");
    this.#output.reserve(pingBytes);
    this.#output.commit(encodePing(this.#output.slab, this.#output.offset, true, input, start));
    this.#mark();
    this.#countControl();
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
      this.#resetIds.add(stream.id);
      stream.die(new StreamError(ErrorCode.REFUSED_STREAM, "peer", `stream ${stream.id}: ${detail}`, true));
    }
    if (isFirst) this.#events.draining();
    this.#mark();
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
    this.#glitch("PRIORITY or unknown frame");
  }

  // --- Broken rules ---

  /** A frame for a stream that is not there (RFC 9113 section 5.1): idle, reset by us, or closed. */
  #lateFrame(id: number, what: string): void {
    this.#checkNotIdle(id, what);
    if (id > this.#lastAccepted || this.#resetIds.has(id)) return;
    if (!this.#hasForgottenResets)
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, `stream ${id}: ${what} on it closed`);
    this.#glitch("frame for a closed stream");
  }

  #checkNotIdle(id: number, what: string): void {
    const isIdle = id % 2 === 0 || (this.isServer ? id > this.#lastPeerId : id >= this.#nextId);
    if (isIdle) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `stream ${id}: ${what} on an idle stream`);
  }

  #streamError(stream: Stream, code: ErrorCode, detail: string): void {
    this.#countOwnReset(detail);
    this.resetStream(stream, code);
    stream.die(new StreamError(code, "us", `stream ${stream.id}: ${detail}`));
  }

  #countOwnReset(detail: string): void {
    if (!this.#ownResets.take(this.#params.clock.nowMs())) throw tooMuch(ForcedClose.OWN_RESETS, detail);
  }

  #glitch(detail: string): void {
    if (!this.#glitches.take(this.#params.clock.nowMs())) throw tooMuch(ForcedClose.GLITCHES, detail);
  }

  /** Answers to a peer that does not read its socket must not pile up. */
  #countControl(): void {
    if (this.#socket.writableLength === 0) this.#queuedControlFrames = 0;
    else if (++this.#queuedControlFrames > this.#limits.maxQueuedControlFrames)
      this.#breakOff(ForcedClose.CONTROL_QUEUE);
  }

  #handshakeTimedOut(): void {
    this.#handshakeTimer = undefined;
    const what = this.isReady ? "SETTINGS were not acknowledged" : "no SETTINGS came";
    const detail = `${what} in ${this.#limits.handshakeMs} ms`;
    this.fail(new ConnectionError(ErrorCode.SETTINGS_TIMEOUT, detail, ForcedClose.HANDSHAKE_TIMEOUT));
  }

  // --- Output ---

  #mark(): void {
    if (this.#isMarked) return;
    this.#isMarked = true;
    flushThisTurn(this);
  }

  flush(): void {
    this.#isMarked = false;
    if (this.isClosed) return;
    this.sender.sendQueued();
    this.#output.flush();
    if (this.isDraining && !this.isClosing && this.streams.size === 0 && this.#drainTimer === undefined) this.#finish();
  }

  #drained(): void {
    this.#queuedControlFrames = 0;
    if (this.sender.hasReady) this.#mark();
  }

  // --- Ends ---

  /** Two-step GOAWAY (RFC 9113 section 6.8); the connection closes when its last stream has ended. */
  drain(): void {
    if (this.isDraining || this.isClosing) return;
    this.isDraining = true;
    if (!this.isServer) {
      this.#mark();
      return;
    }
    this.sender.frame(encodeGoaway(maxStreamId, ErrorCode.NO_ERROR, "drain"));
    this.#output.reserve(pingBytes);
    this.#output.commit(encodePing(this.#output.slab, this.#output.offset, false, drainPing, 0));
    this.#drainTimer = this.#params.clock.after(drainPingMs, () => this.#finalGoaway());
  }

  #finalGoaway(): void {
    this.#drainTimer?.cancel();
    this.#drainTimer = undefined;
    if (this.isClosing) return;
    this.#lastAccepted = this.#lastPeerId;
    this.sender.frame(encodeGoaway(this.#lastAccepted, ErrorCode.NO_ERROR, "drain"));
  }

  /** All streams have ended after a GOAWAY: says goodbye and closes. */
  #finish(): void {
    this.isClosing = true;
    if (!this.isServer) this.sender.frame(encodeGoaway(0, ErrorCode.NO_ERROR, ""));
    this.#endSocket();
  }

  /** Closes by GOAWAY(code, reason); all streams die. */
  fail(error: ConnectionError): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.#events.forcedClose(error.reason, error.message);
    this.#killStreams(`connection closed: ${error.message}`, this.isServer ? ErrorCode.CANCEL : error.code);
    this.sender.frame(encodeGoaway(this.#lastPeerId, error.code, `${error.reason}: ${error.message}`));
    this.#endSocket();
  }

  /** Closes at once, when nothing more can be said. */
  #breakOff(reason: string): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.#events.forcedClose(reason, "the peer does not read");
    this.#killStreams(`connection closed: ${reason}`, this.isServer ? ErrorCode.CANCEL : ErrorCode.INTERNAL_ERROR);
    this.#socket.destroy();
  }

  #lost(detail: string): void {
    if (!this.isClosing) {
      this.isClosing = true;
      this.#killStreams(`connection lost: ${detail}`, this.isServer ? ErrorCode.CANCEL : ErrorCode.INTERNAL_ERROR);
    }
    this.#socket.destroy();
  }

  /** For the code that died streams carry, see body.ts: CANCEL to a server, INTERNAL_ERROR or the cause to a client. */
  #killStreams(detail: string, code: ErrorCode): void {
    const sentBytes = this.#wasConnected ? this.#output.handedBytes : 0;
    const streams = this.streams.list();
    this.streams.clear();
    for (const stream of streams) {
      const neverProcessed = !this.isServer && stream.headAt >= sentBytes;
      stream.die(new StreamError(code, "connection", `stream ${stream.id}: ${detail}`, neverProcessed));
    }
  }

  #endSocket(): void {
    this.#output.flush();
    this.#socket.end();
    this.#lingerTimer = this.#params.clock.after(lingerMs, () => this.#socket.destroy());
  }

  /** Closes the socket without a word. */
  destroy(): void {
    this.#lost("closed by us");
  }

  #socketClosed(): void {
    if (this.isClosed) return;
    this.#lost("the socket closed");
    this.isClosed = true;
    this.#handshakeTimer?.cancel();
    this.#lingerTimer?.cancel();
    this.#drainTimer?.cancel();
    this.#output.close();
    this.#events.closed();
  }
}

const noFields: HeaderFields = [];

function tooMuch(reason: string, detail: string): ConnectionError {
  return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, detail, reason);
}
